import Wire

/// What a proxy has taken away from the front of a path, by `X-Forwarded-Prefix`: clients have to put it back. Several proxies
/// write theirs one after another, the outermost first.
struct ForwardedPrefix {
  /// Begins with a slash and does not end with one.
  let path: [UInt8]

  private static let largest = 1024

  /// Nil where nothing is said, or what can't be meant: it must never lead to another host.
  init?(_ head: RequestHead) {
    let name = ("x-forwarded-prefix" as StaticString).bytes
    guard let first = head.header(named: name) else { return nil }
    var lines = [first.array]
    let others = head.others
    for index in 0..<others.count where others.name(index).equalsIgnoringCase("x-forwarded-prefix") {
      lines.append(others.value(index).array)
    }
    // The first one is among them, as no place of its own is kept for it.
    self.init(lines.count > 1 ? Array(lines.dropFirst()) : lines)
  }

  init?(_ lines: [[UInt8]]) {
    var path: [UInt8] = []
    for element in lines.flatMap({ $0.split(separator: 0x2C, omittingEmptySubsequences: false) }) {
      var part = element.drop(while: Self.isBlank)
      while let last = part.last, Self.isBlank(last) || last == 0x2F { part.removeLast() }
      guard !part.isEmpty else { continue }
      guard part.first == 0x2F else { return nil }
      path += part
    }
    guard !path.isEmpty, path.count <= Self.largest, path.allSatisfy(Self.isOfPath) else { return nil }
    let segments = path.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false)
    guard !segments.contains(where: { $0.isEmpty || $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) else {
      return nil
    }
    self.path = path
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  /// RFC 3986 section 3.3: pchar, slash and percent sign.
  private static func isOfPath(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), 0x30...0x39: true
    default: "-._~!$&'()*+,;=:@/%".utf8.contains(byte)
    }
  }
}
