/// `.` and `..` in the path of a reference to a URL (RFC 3986 section 5.2.4).
enum DotSegments {
  /// - Parameter target: a path that begins with `/`, and perhaps a query, in which dots mean nothing.
  static func removed(from target: String) -> String {
    let path = target.prefix { $0 != "?" }
    guard path.contains("/.") else { return target }
    var segments: [Substring] = []
    let given = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    for (index, segment) in given.enumerated() {
      guard segment == "." || segment == ".." else {
        segments.append(segment)
        continue
      }
      if segment == "..", !segments.isEmpty { segments.removeLast() }
      if index == given.count - 1 { segments.append("") }
    }
    return "/" + segments.joined(separator: "/") + target[path.endIndex...]
  }

  /// Whether a reference begins with a scheme, so that it is relative to nothing (section 4.2).
  static func hasScheme(_ reference: String) -> Bool {
    let scheme = reference.utf8.prefix { $0 != UInt8(ascii: ":") }
    guard scheme.endIndex != reference.endIndex, let first = scheme.first else { return false }
    let isLetter = { (byte: UInt8) in (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
    return isLetter(first)
      && scheme.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E }
  }
}
