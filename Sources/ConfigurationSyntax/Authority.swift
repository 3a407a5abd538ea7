/// A host and a port as people and URLs write them.
public enum Authority {
  /// `127.0.0.1:4001`, `[::1]:4001`: an address with colons in it stands in brackets (RFC 3986 section 3.2.2).
  public static func text(_ host: String, _ port: Int) -> String { "\(bracketed(host)):\(port)" }

  /// The host alone, ready for a URL.
  public static func bracketed(_ host: String) -> String {
    host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
  }

  /// Where this machine reaches what listens on a host: an address that stands for all of them is no place to connect to.
  public static func reachable(_ host: String) -> String {
    switch host {
    case "0.0.0.0": "127.0.0.1"
    case "::": "::1"
    default: host
    }
  }
}
