import Wire

/// A raw JSON token of a client (an id, a progress token), kept exactly; up to 39 bytes lie inline.
public struct Token: Sendable {
  private var inline = InlineArray<39, UInt8>(repeating: 0)
  private var inlineCount: UInt8 = 0
  /// Empty unless the token is longer than that.
  private var long: [UInt8] = []

  init() {}

  public init(_ bytes: RawSpan) {
    guard bytes.byteCount <= 39 else {
      long = bytes.array
      return
    }
    inlineCount = UInt8(bytes.byteCount)
    for index in 0..<bytes.byteCount { inline[index] = bytes[byte: index] }
  }

  var isEmpty: Bool { inlineCount == 0 && long.isEmpty }

  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      if !long.isEmpty { return long.rawBytes }
      return unsafe inline.span.bytes.extracting(first: Int(inlineCount))
    }
  }

  public func append(to buffer: inout ByteBuffer) { buffer.append(bytes) }

  public func equals(_ other: RawSpan) -> Bool { bytes.equals(other) }
}
