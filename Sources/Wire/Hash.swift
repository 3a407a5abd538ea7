import CWire

/// A fast hash for tables whose keys the operator or an upstream chooses.
public enum FastHash {
  public static func hash(_ bytes: RawSpan) -> UInt64 {
    unsafe bytes.withC { unsafe cwire_hash64($0) }
  }
}

/// A dictionary key that is spread as it is: random bits, or numbers that were given out in turn. It is not mixed, so
/// strangers must not be able to choose it.
@frozen
public struct PlainKey: Hashable, Sendable {
  public let value: UInt64

  public init(_ value: UInt64) { self.value = value }

  public init(_ value: Int) { self.value = UInt64(truncatingIfNeeded: value) }

  public static func == (a: PlainKey, b: PlainKey) -> Bool { a.value == b.value }

  public func hash(into hasher: inout Hasher) { hasher.combine(value) }

  /// What a dictionary asks; the default would run SipHash, which is dearer than all the rest of a look-up.
  public func _rawHashValue(seed: Int) -> Int { Int(truncatingIfNeeded: value) ^ seed }
}

/// SipHash-2-4 under a secret key: a hash for what strangers choose, and a MAC for what comes back from them.
public struct SipHash: Sendable {
  private let key: InlineArray<16, UInt8>

  public init(key: InlineArray<16, UInt8>) { self.key = key }

  /// A key from the system's generator.
  public init() {
    var generator = SystemRandomNumberGenerator()
    self.init(using: &generator)
  }

  public init(using generator: inout some RandomNumberGenerator) {
    var key = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<16 { key[index] = UInt8.random(in: 0...255, using: &generator) }
    self.key = key
  }

  public func hash64(_ bytes: RawSpan) -> UInt64 {
    let key = key.span
    return unsafe key.withUnsafeBufferPointer { key in
      unsafe bytes.withC { unsafe cwire_siphash64(key.baseAddress!, $0) }
    }
  }

  public func hash128(_ bytes: RawSpan) -> InlineArray<16, UInt8> {
    var out = InlineArray<16, UInt8>(repeating: 0)
    var target = out.mutableSpan
    let key = key.span
    unsafe target.withUnsafeMutableBufferPointer { out in
      unsafe key.withUnsafeBufferPointer { key in
        unsafe bytes.withC { unsafe cwire_siphash128(key.baseAddress!, $0, out.baseAddress!) }
      }
    }
    return out
  }
}

extension RawSpan {
  /// Equality in a time that depends on the lengths alone: for MACs and tokens.
  public func equalsInConstantTime(_ other: RawSpan) -> Bool {
    unsafe withC { mine in
      unsafe other.withC { unsafe cwire_equal_constant_time(mine, $0) }
    }
  }
}
