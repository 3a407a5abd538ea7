import MCP
import Wire

/// When names get the alias of their server in front.
public enum PrefixPolicy: UInt8, Sendable, CaseIterable {
  /// Only when more than one upstream is configured.
  case conditional
  case always, never
}

/// How the names of tools and prompts appear where several servers are merged.
public enum ExposedName {
  public static let separator: StaticString = "__"

  /// The longest that a name of ours may be: some model APIs take no more.
  public static let limit = 64

  /// Whose a name is by its form: the place of the alias with which it begins, the longest if there are several (an alias
  /// may end in `_`). Nil if it begins with none.
  public static func owner(of name: RawSpan, among aliases: [[UInt8]]) -> Int? {
    var owner: Int?
    for (place, alias) in aliases.enumerated() where alias.count > owner.map({ aliases[$0].count }) ?? 0 {
      guard name.byteCount > alias.count + separator.utf8CodeUnitCount, name.hasPrefix(alias.rawBytes),
        name.extracting(alias.count..<(alias.count + separator.utf8CodeUnitCount)).equals(separator)
      else { continue }
      owner = place
    }
    return owner
  }

  /// `alias__name`, shortened to a stable form if that is too long.
  static func prefixed(_ name: [UInt8], alias: String) -> [UInt8] {
    shortened(Array(alias.utf8) + [0x5F, 0x5F] + name)
  }

  /// A name of more than 64 characters ends in `_` and 8 hexadecimal digits of its SHA-256.
  static func shortened(_ name: [UInt8]) -> [UInt8] {
    guard characterCount(name[...]) > limit else { return name }
    return withSuffix(name, digestOf: name)
  }

  /// A name for an entry whose own is taken.
  static func disambiguated(_ name: [UInt8], alias: String) -> [UInt8] {
    withSuffix(name, digestOf: Array(alias.utf8) + [0] + name)
  }

  private static func withSuffix(_ name: [UInt8], digestOf text: [UInt8]) -> [UInt8] {
    var suffix = ByteBuffer()
    suffix.append("_")
    suffix.append(hex: UInt64(SHA256.prefix(text.rawBytes)), digits: 8)
    var end = name.count
    while end > 0, end < name.count && isContinuation(name[end]) || characterCount(name[..<end]) > limit - 9 {
      end -= 1
    }
    return name[..<end] + suffix.bytes.array
  }

  private static func characterCount(_ name: ArraySlice<UInt8>) -> Int {
    name.reduce(0) { $0 + (isContinuation($1) ? 0 : 1) }
  }

  private static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }
}
