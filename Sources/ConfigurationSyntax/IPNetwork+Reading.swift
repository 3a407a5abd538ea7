extension IPNetwork {
  /// As an operator writes it: a mistake is told of, with what was probably meant.
  public init(reading text: String) throws(Unfit) {
    guard let network = IPNetwork(parsing: text) else { throw Self.mistake(in: text) }
    guard network.masked == network else {
      throw Unfit("it has bits beyond those that count", suggestion: network.meant)
    }
    self = network
  }

  /// Without the bits that do not count.
  var masked: IPNetwork {
    func kept(_ count: Int) -> UInt64 { count <= 0 ? 0 : count >= 64 ? .max : ~(UInt64.max >> UInt64(count)) }
    return IPNetwork(high: high & kept(bits), low: low & kept(bits - 64), bits: bits)
  }

  /// The network that was probably meant. Of an IPv4 address in the form of IPv6 the bits are those of IPv4 then. Nobody is
  /// led to trust everybody.
  private var meant: String? {
    let network = (isMapped && bits <= 32 ? IPNetwork(high: high, low: low, bits: 96 + bits) : self).masked
    return network.isAnybody ? nil : network.description
  }

  private var isMapped: Bool { high == 0 && low >> 32 == 0xFFFF }

  private static func mistake(in text: String) -> Unfit {
    if text.isEmpty { return Unfit("it is empty") }
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      let bare = String(text[text.index(after: text.startIndex)..<end])
      return Unfit("an address stands here without brackets and port", suggestion: known(bare))
    }
    if text.contains("%") {
      return Unfit("a zone can't be told apart here", suggestion: known(text.prefix { $0 != "%" }))
    }
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2, IPNetwork(parsing: String(parts[0])) != nil {
      let most = parts[0].contains(":") ? 128 : 32
      return Unfit("what follows the slash is a number of bits, from 0 to \(most)")
    }
    let octets = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    if octets.count == 4, octets.allSatisfy({ Quantity.whole($0) != nil }) {
      return Unfit("an IPv4 address has four numbers from 0 to 255, without zeros in front")
    }
    if let colon = text.lastIndex(of: ":"), let bare = known(text[..<colon]), !bare.contains(":") {
      return Unfit("an address stands here without a port", suggestion: bare)
    }
    return Unfit("it is no address and no network; names are not looked up")
  }

  private static func known(_ text: some StringProtocol) -> String? {
    IPNetwork(parsing: String(text)).map(\.description)
  }
}

extension IPNetwork: CustomStringConvertible {
  /// IPv4 in its own form, IPv6 as RFC 5952 has it; the number of bits where it is more than one address.
  public var description: String {
    if isMapped, bits >= 96 {
      let octets = [24, 16, 8, 0].map { String(low >> $0 & 0xFF) }.joined(separator: ".")
      return bits == 128 ? octets : "\(octets)/\(bits - 96)"
    }
    let address = Self.text(high, low)
    return bits == 128 ? address : "\(address)/\(bits)"
  }

  /// An IPv6 address as browsers write it, which is RFC 5952 section 4 without a dotted tail; nil for what is none.
  static func canonicalIPv6(_ text: String) -> String? {
    guard text.contains(":"), !text.contains("/"), let address = IPNetwork(parsing: text) else { return nil }
    return Self.text(address.high, address.low)
  }

  private static func text(_ high: UInt64, _ low: UInt64) -> String {
    let groups = [high, low].flatMap { word in [48, 32, 16, 0].map { word >> $0 & 0xFFFF } }
    var gap = 0..<0
    var start = 0
    while start < groups.count {
      var end = start
      while end < groups.count, groups[end] == 0 { end += 1 }
      if end - start > max(1, gap.count) { gap = start..<end }
      start = max(end, start + 1)
    }
    func joined(_ part: ArraySlice<UInt64>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
    return gap.isEmpty
      ? joined(groups[...]) : "\(joined(groups[..<gap.lowerBound]))::\(joined(groups[gap.upperBound...]))"
  }
}

extension IPNetwork {
  /// More than anybody has to himself: of IPv4 more than a /8, of IPv6 more than a /16, but for the addresses that are not
  /// routed (fc00::/7, fe80::/10). IPv6 from `::` on holds all of IPv4 in its mapped form.
  public var isAnybody: Bool {
    if isMapped, bits >= 96 { return bits < 104 }
    if bits < 96, IPNetwork(high: 0, low: 0xFFFF_0000_0000, bits: bits).masked == self { return true }
    return bits < 16 && !(bits >= 7 && high >> 57 == 0x7E) && !(bits >= 10 && high >> 54 == 0x3FA)
  }

  /// Nobody but this machine.
  public var isLoopback: Bool {
    Self.loopback.contains { $0.bits <= bits && IPNetwork(high: high, low: low, bits: $0.bits).masked == $0 }
  }
}
