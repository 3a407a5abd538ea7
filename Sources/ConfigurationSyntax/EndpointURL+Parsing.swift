extension EndpointURL {
  public static let form = "a URL such as `https://host.example/mcp`; http, https, ws or wss"

  /// Why a text is no URL that can be connected to.
  public struct Problem: Error {
    public var message: String
  }

  /// Takes an absolute URL apart (RFC 3986). Refuses user information, which would end up in logs, and everything that
  /// could not be written into a request line as it is.
  public init(parsing text: String) throws(Problem) {
    guard let separator = text.firstRange(of: "://") else {
      throw Problem(message: "a URL starts with its scheme, `https://` or `http://`")
    }
    guard let scheme = Scheme(rawValue: text[..<separator.lowerBound].lowercased()) else {
      throw Problem(message: "the scheme `\(text[..<separator.lowerBound])` can't be used")
    }
    guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw Problem(message: "a URL holds no blanks and no characters beyond ASCII; write them as `%20` and so on")
    }
    let rest = text[separator.upperBound...].prefix { $0 != "#" }
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    guard !authority.contains("@") else {
      throw Problem(message: "user and password don't belong in a URL; give an `Authorization` header instead")
    }
    guard !authority.isEmpty else { throw Problem(message: "the host is missing") }
    guard let (host, port) = HostForm.split(authority) else {
      throw Problem(message: "the host or port is malformed")
    }
    let path = rest.dropFirst(authority.count)
    guard !path.contains(where: { "\"<>\\^`{|}".contains($0) }) else {
      throw Problem(message: "the path holds a character that has to be written as `%` and two digits")
    }
    self.init(
      scheme: scheme, host: host, port: port ?? scheme.defaultPort,
      target: path.hasPrefix("/") ? String(path) : "/\(path)")
  }
}
