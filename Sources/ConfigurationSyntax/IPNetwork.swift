/// The addresses that agree in their first bits. IPv4 is in its mapped form (`::ffff:192.0.2.0/120`), so that there is one
/// kind of address.
public struct IPNetwork: Sendable, Hashable {
  /// In the order of the text.
  public var high: UInt64
  public var low: UInt64
  /// How many bits count, of 128.
  public var bits: Int

  public init(high: UInt64, low: UInt64, bits: Int) {
    self.high = high
    self.low = low
    self.bits = bits
  }

  public static let form =
    "an address such as `10.1.2.3`, a network such as `10.0.0.0/8` or `2001:db8::/32`, or `loopback`"

  /// 127.0.0.0/8 and ::1.
  public static let loopback = [
    IPNetwork(high: 0, low: 0xFFFF_7F00_0000, bits: 104), IPNetwork(high: 0, low: 1, bits: 128),
  ]

  /// Nil for what is neither an address nor one with a number of bits behind it.
  public init?(parsing text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let isIPv4 = !text.contains(":")
    guard let (high, low) = isIPv4 ? Self.ipv4(parts[0]).map({ (0, 0xFFFF_0000_0000 | $0) }) : Self.ipv6(parts[0])
    else { return nil }
    var bits = 128
    if parts.count > 1 {
      guard let number = Quantity.whole(parts[1]), number <= (isIPv4 ? 32 : 128) else { return nil }
      bits = isIPv4 ? 96 + number : number
    }
    self.init(high: high, low: low, bits: bits)
  }

  private static func ipv4(_ text: Substring) -> UInt64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var address: UInt64 = 0
    for part in parts {
      // A zero in front means octal to some.
      guard let octet = Quantity.whole(part), octet <= 255, part.utf8.count == String(octet).utf8.count else {
        return nil
      }
      address = address << 8 | UInt64(octet)
    }
    return address
  }

  private static func ipv6(_ text: Substring) -> (UInt64, UInt64)? {
    var groups: [UInt64] = []
    var gap: Int?
    var rest = text
    if rest.hasPrefix("::") {
      gap = 0
      rest = rest.dropFirst(2)
    }
    while !rest.isEmpty {
      if rest.contains("."), !rest.contains(":") {
        guard let last = ipv4(rest) else { return nil }
        groups += [last >> 16, last & 0xFFFF]
        break
      }
      let digits = rest.prefix { $0 != ":" }
      guard (1...4).contains(digits.utf8.count), digits.utf8.allSatisfy({ $0 < 128 }),
        digits.allSatisfy(\.isHexDigit), let group = UInt64(digits, radix: 16)
      else { return nil }
      groups.append(group)
      rest = rest.dropFirst(digits.count)
      if rest.isEmpty { break }
      if rest.hasPrefix("::") {
        guard gap == nil else { return nil }
        gap = groups.count
        rest = rest.dropFirst(2)
      } else {
        rest = rest.dropFirst()
        if rest.isEmpty { return nil }
      }
    }
    guard groups.count <= 8, gap == nil ? groups.count == 8 : groups.count < 8 else { return nil }
    if let gap { groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gap) }
    return (groups[..<4].reduce(0) { $0 << 16 | $1 }, groups[4...].reduce(0) { $0 << 16 | $1 })
  }
}
