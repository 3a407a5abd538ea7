import Wire

/// What keeps the calls of one session, client or principal at one endpoint, as a number (`routing.key`). The same
/// bytes give the same key in every process, on every machine and after each restart, so that several gateways in front
/// of the same endpoints agree.
public struct RoutingKey: Sendable, Hashable {
  public let value: UInt64

  /// A principal, the value of a header, or an argument as its JSON was written: SipHash-2-4 under a key that everybody
  /// may know. Strangers can thus choose where their calls go, which the bound on loads makes harmless; `FastHash` may
  /// change from one version to the next.
  public init(_ bytes: RawSpan) {
    value = SipHash(key: Self.published).hash64(bytes)
  }

  /// A session's id: 128 bits that are random already.
  public init(high: UInt64, low: UInt64) {
    value = Self.mix(high ^ Self.mix(low))
  }

  init(value: UInt64) { self.value = value }

  /// "sluice placement"
  private static var published: InlineArray<16, UInt8> {
    [0x73, 0x6C, 0x75, 0x69, 0x63, 0x65, 0x20, 0x70, 0x6C, 0x61, 0x63, 0x65, 0x6D, 0x65, 0x6E, 0x74]
  }

  /// Each bit of the result depends on each bit of the word, and no two words give the same.
  static func mix(_ word: UInt64) -> UInt64 {
    var random = SplitMix(state: word)
    return random.next()
  }
}
