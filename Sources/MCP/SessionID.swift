import Wire

/// Names a session: random bits, the worker that keeps it, and a MAC, so that any worker finds the home without a
/// table and nobody makes one up. 33 bytes, 44 characters of base64url on the wire (visible ASCII, PROTOCOL 6.3).
package struct SessionID: Sendable, Hashable {
  package static let textLength = 44

  /// The 16 random bytes.
  package let high: UInt64
  package let low: UInt64
  package let worker: UInt8

  package init(worker: UInt8, using generator: inout some RandomNumberGenerator) {
    high = generator.next()
    low = generator.next()
    self.worker = worker
  }

  private init(high: UInt64, low: UInt64, worker: UInt8) {
    self.high = high
    self.low = low
    self.worker = worker
  }

  /// Reads and verifies what a client sent. Nil for anything that this process did not issue.
  package init?(_ text: RawSpan, key: SipHash) {
    guard text.byteCount == Self.textLength else { return nil }
    var raw = InlineArray<33, UInt8>(repeating: 0)
    var room = raw.mutableSpan
    guard Base64.decode(text, .url, filling: &room) else { return nil }
    let bytes = raw.rawBytes
    guard key.hash128(bytes.extracting(0..<17)).rawBytes.equalsInConstantTime(bytes.extracting(17..<33)) else {
      return nil
    }
    self.init(
      high: Self.word(bytes.extracting(0..<8)), low: Self.word(bytes.extracting(8..<16)), worker: bytes[byte: 16])
  }

  package func append(to buffer: inout ByteBuffer, key: SipHash) {
    var raw = InlineArray<33, UInt8>(repeating: 0)
    for index in 0..<8 {
      raw[index] = UInt8(truncatingIfNeeded: high >> UInt64(56 - index * 8))
      raw[index + 8] = UInt8(truncatingIfNeeded: low >> UInt64(56 - index * 8))
    }
    raw[16] = worker
    let mac = key.hash128(raw.rawBytes.extracting(0..<17))
    for index in 0..<16 { raw[17 + index] = mac[index] }
    buffer.append(base64: raw.rawBytes, .url)
  }

  private static func word(_ bytes: RawSpan) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<8 { value = value << 8 | UInt64(bytes[byte: index]) }
    return value
  }

  package static func == (a: SessionID, b: SessionID) -> Bool {
    a.high == b.high && a.low == b.low && a.worker == b.worker
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(high)
    hasher.combine(low)
  }
}
