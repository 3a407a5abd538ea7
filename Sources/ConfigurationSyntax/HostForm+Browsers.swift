/// What browsers send in `Host` and `Origin`. What is configured is brought into that very form, so that the path of a
/// request compares bytes and nothing is parsed in two ways.
extension HostForm {
  /// An item of `allowed_hosts`: `*`, or a lower-case name or address without a port; IPv6 without its brackets.
  public static func allowedHost(_ text: String) throws(Unfit) -> String? {
    if text == "*" { return text }
    if text.contains("*") { throw Unfit("`*` stands for all hosts, and for no part of one") }
    if let separator = text.firstRange(of: "://") {
      let authority = text[separator.upperBound...].prefix { !"/?#".contains($0) }
      throw Unfit("a host has no scheme and no path", suggestion: split(authority)?.host)
    }
    if let host = host(text) { return written(host) }
    if let (host, port) = split(text[...]), port != nil {
      throw Unfit("any port is taken, so none stands here", suggestion: written(host))
    }
    return nil
  }

  /// An item of `allowed_origins`: `*`, or scheme, host and a port that is not the default, as browsers serialize an
  /// origin (RFC 6454 section 6.2).
  public static func origin(_ text: String) throws(Unfit) -> String? {
    if text == "*" { return text }
    let lower = text.lowercased()
    if lower == "null" { throw Unfit("`null` is what any page can have sent from a sandboxed frame, whoever wrote it") }
    if ["file:", "data:", "blob:", "about:", "javascript:"].contains(where: lower.hasPrefix) {
      throw Unfit(
        "such pages send `null`, as any page can from a sandboxed frame; serve the page over http on localhost")
    }
    if lower.contains("*") { throw Unfit("`*` stands for all origins, and for no part of one") }
    guard lower.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw Unfit(
        "an origin holds no blanks and nothing beyond ASCII: names stand as browsers send them, as in `xn--...`")
    }
    guard let separator = lower.firstRange(of: "://") else {
      throw Unfit("its scheme is missing", suggestion: known("https://\(lower)"))
    }
    let scheme = lower[..<separator.lowerBound]
    let rest = lower[separator.upperBound...]
    if scheme == "ws" || scheme == "wss" {
      let page = scheme == "ws" ? "http" : "https"
      throw Unfit("the origin of a WebSocket is that of its page", suggestion: known("\(page)://\(rest)"))
    }
    let authority = rest.prefix { !"/?#\\".contains($0) }
    guard authority.count == rest.count else {
      throw Unfit("an origin ends with its host and port", suggestion: known("\(scheme)://\(authority)"))
    }
    if let at = authority.lastIndex(of: "@") {
      let after = authority[authority.index(after: at)...]
      throw Unfit("an origin has no user", suggestion: known("\(scheme)://\(after)"))
    }
    if authority.hasSuffix(":") {
      throw Unfit("the port is missing", suggestion: known("\(scheme)://\(authority.dropLast())"))
    }
    guard let first = scheme.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first),
      scheme.utf8.allSatisfy({ isAlphanumeric($0) || "-.+".utf8.contains($0) }), let (name, port) = split(authority),
      !name.isEmpty
    else { return nil }
    guard let shown = written(name) else { throw Unfit("browsers do not write this address so") }
    let isDefault = (scheme == "https" && port == 443) || (scheme == "http" && port == 80)
    let host = shown.contains(":") ? "[\(shown)]" : shown
    return "\(scheme)://\(host)" + (port.flatMap { isDefault ? nil : ":\($0)" } ?? "")
  }

  private static func known(_ text: String) -> String? { (try? origin(text)) ?? nil }

  /// A host as browsers write it; nil for an address that they never write so: with a zone, or zeros in front.
  private static func written(_ host: String) -> String? {
    if host.contains(":") { return IPNetwork.canonicalIPv6(host) }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    guard let last = parts.last, Quantity.whole(last) != nil else { return host }
    return parts.allSatisfy { $0.utf8.count == 1 || $0.first != "0" } ? host : nil
  }
}
