/// A byte buffer that an object keeps and lends out while it goes on working. Its bytes are good until the next change
/// of the buffer: whoever holds a span of it must be done before that, as with a scanner's envelope.
@safe
public final class Scratch {
  public var buffer: ByteBuffer

  public init(capacity: Int) {
    buffer = ByteBuffer(capacity: capacity)
  }

  /// The bytes, for as long as `owner` is borrowed: an object hands out its scratch under its own lifetime.
  @_lifetime(borrow owner)
  public func bytes(of owner: borrowing AnyObject) -> RawSpan {
    unsafe _overrideLifetime(buffer.unboundBytes, borrowing: owner)
  }

  /// Empty, for another message. What one large message took is not kept for ever.
  public func clear() { buffer.clear(keepingAtMost: 256 << 10) }

  public var isEmpty: Bool { buffer.isEmpty }
  public var count: Int { buffer.count }
}
