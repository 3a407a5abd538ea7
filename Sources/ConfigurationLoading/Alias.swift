/// The names by which servers go in paths and prefixes.
enum Alias {
  static let form = "1 to 32 of `a-z`, `0-9`, `_` and `-`, a letter or digit first, no `__`"

  /// Names that would be taken for a path of the gateway's own.
  static let reserved: Set<String> = ["ws", "sse", "messages", "api", "server-card"]

  static func isWellFormed(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard let first = bytes.first, bytes.count <= 32, isAlphanumeric(first) else { return false }
    let isPlain = bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    return isPlain && !name.contains("__")
  }

  /// What a name from a client's file becomes: `My Server` is my-server, `@scope/x` is scope-x.
  /// nil when nothing of it can be kept.
  static func slug(_ name: String) -> String? {
    var result: [UInt8] = []
    for byte in name.utf8 {
      let lower = (65...90).contains(byte) ? byte + 32 : byte
      let last = result.last
      if isAlphanumeric(lower) {
        result.append(lower)
      } else if lower == UInt8(ascii: "_"), last != nil, last != UInt8(ascii: "_") {
        result.append(lower)
      } else if lower != UInt8(ascii: "_"), last != nil, last != UInt8(ascii: "-"), last != UInt8(ascii: "_") {
        result.append(UInt8(ascii: "-"))
      }
    }
    result = Array(result.prefix(32))
    while let last = result.last, !isAlphanumeric(last) { result.removeLast() }
    return result.isEmpty ? nil : String(decoding: result, as: UTF8.self)
  }

  /// What a name from a client's file is called, whatever it is: its slug, where that is no path of the gateway's own, else
  /// one that is made of a digest of the name, the same each time.
  static func made(of name: String) -> String {
    slug(name).flatMap { reserved.contains($0) ? nil : $0 } ?? digested(name)
  }

  /// Tells names apart of which nothing else can be kept: `server-1f2e3d4c`.
  static func digested(_ name: String) -> String {
    // FNV-1a, 32 bits: it has to be the same in each process, and nobody gains by a clash, which is a mistake.
    let digest = name.utf8.reduce(0x811C_9DC5 as UInt32) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    let digits = String(digest, radix: 16)
    return (slug(name)?.prefix(23) ?? "server") + "-" + String(repeating: "0", count: 8 - digits.count) + digits
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (97...122).contains(byte) || (48...57).contains(byte)
  }
}
