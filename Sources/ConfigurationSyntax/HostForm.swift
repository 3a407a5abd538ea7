/// Checks and normalizes host names, addresses and origins.
public enum HostForm {
  /// A name or an address; brackets around an IPv6 address are taken off.
  public static func host(_ text: String) -> String? {
    if text.hasPrefix("["), text.hasSuffix("]") {
      let inner = String(text.dropFirst().dropLast())
      return isIPv6(inner) ? inner.lowercased() : nil
    }
    if text.contains(":") { return isIPv6(text) ? text.lowercased() : nil }
    return isName(text) ? text.lowercased() : nil
  }

  /// Whether nobody beyond this machine reaches a host, by its text alone: a name may lead anywhere, but for `localhost`.
  public static func isLoopback(_ host: String) -> Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    let mapped = "::ffff:"
    if host.hasPrefix(mapped) { return isLoopback(String(host.dropFirst(mapped.count))) }
    return host == "localhost" || host == "::1"
      || (parts.count == 4 && parts[0] == "127" && isName(host)
        && parts.allSatisfy { Quantity.whole($0) != nil })
  }

  /// Host and port of an authority without user information; nil when either is malformed.
  static func split(_ authority: Substring) -> (host: String, port: Int?)? {
    var name = authority
    var port: Int?
    let afterBracket = authority.lastIndex(of: "]").map { authority.index(after: $0) } ?? authority.startIndex
    if let colon = authority[afterBracket...].lastIndex(of: ":") {
      name = authority[..<colon]
      let digits = authority[authority.index(after: colon)...]
      if !digits.isEmpty {
        guard let number = Quantity.whole(digits), (1...65_535).contains(number) else { return nil }
        port = number
      }
    }
    if name.contains(":"), !name.hasPrefix("[") { return nil }
    guard let host = host(String(name)) else { return nil }
    return (host, port)
  }

  static func isName(_ text: String) -> Bool {
    guard !text.isEmpty, text.utf8.count <= 253, !isBrokenIPv4(text) else { return false }
    return text.utf8.allSatisfy {
      isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_")
    }
  }

  /// What ends in a number is an address, as no top-level domain is one.
  private static func isBrokenIPv4(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard let last = parts.last, Quantity.whole(last) != nil else { return false }
    return parts.count != 4 || !parts.allSatisfy { Quantity.whole($0).map { $0 <= 255 } ?? false }
  }

  /// Hexadecimal groups, an embedded IPv4 tail, a zone. The resolver has the last word.
  private static func isIPv6(_ text: String) -> Bool {
    let address = text.prefix { $0 != "%" }
    let zone = text.dropFirst(address.count).dropFirst()
    guard address.count(where: { $0 == ":" }) >= 2, address.utf8.count <= 45 else { return false }
    return address.allSatisfy { $0.isASCII && ($0.isHexDigit || $0 == ":" || $0 == ".") }
      && zone.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }

  static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}
