import MCP
import Wire

/// Where a listing goes on. Opaque to clients: a keyed MAC tells what this process has issued, and the epoch what
/// still counts.
public struct Cursor: Sendable, Equatable {
  public var epoch: UInt64
  public var kind: ListKind
  public var view: UInt16
  public var page: UInt32

  public init(epoch: UInt64, kind: ListKind, view: UInt16, page: UInt32) {
    self.epoch = epoch
    self.kind = kind
    self.view = view
    self.page = page
  }

  // epoch 8, page 4, view 2, kind 1, MAC 16
  private static let length = 31

  /// Reads the raw contents of a JSON string. Nil for anything that this process did not issue.
  public init?(_ text: RawSpan, key: SipHash) {
    guard text.byteCount <= 48 else { return nil }
    var raw = InlineArray<31, UInt8>(repeating: 0)
    var room = raw.mutableSpan
    guard Base64.decode(text, .url, filling: &room) else { return nil }
    let bytes = raw.rawBytes
    guard key.hash128(bytes.extracting(0..<15)).rawBytes.equalsInConstantTime(bytes.extracting(15..<31)),
      let kind = ListKind(rawValue: bytes[byte: 14])
    else { return nil }
    epoch = Self.number(bytes.extracting(0..<8))
    page = UInt32(Self.number(bytes.extracting(8..<12)))
    view = UInt16(Self.number(bytes.extracting(12..<14)))
    self.kind = kind
  }

  public func append(to buffer: inout ByteBuffer, key: SipHash) {
    var raw = InlineArray<31, UInt8>(repeating: 0)
    for index in 0..<8 { raw[index] = UInt8(truncatingIfNeeded: epoch >> UInt64(56 - index * 8)) }
    for index in 0..<4 { raw[8 + index] = UInt8(truncatingIfNeeded: page >> UInt32(24 - index * 8)) }
    raw[12] = UInt8(view >> 8)
    raw[13] = UInt8(view & 255)
    raw[14] = kind.rawValue
    let mac = key.hash128(raw.rawBytes.extracting(0..<15))
    for index in 0..<16 { raw[15 + index] = mac[index] }
    buffer.append(base64: raw.rawBytes, .url)
  }

  private static func number(_ bytes: RawSpan) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<bytes.byteCount { value = value << 8 | UInt64(bytes[byte: index]) }
    return value
  }
}
