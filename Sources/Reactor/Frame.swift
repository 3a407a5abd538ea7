import CReactor

/// An immutable, encoded piece of bytes that many connections on many threads may queue at once.
@safe
public final class Frame: @unchecked Sendable {  // immutable, and its count is atomic
  let raw: OpaquePointer

  public init(copying bytes: RawSpan) {
    unsafe raw = bytes.withUnsafeBytes { bytes in
      var piece = unsafe cwire_span(bytes)
      guard let frame = unsafe cr_frame_make(&piece, 1) else { fatalError("no memory for a frame") }
      return unsafe frame
    }
  }

  public convenience init(_ text: StaticString) {
    unsafe self.init(copying: Array(String(describing: text).utf8).span.bytes)
  }

  deinit { unsafe cr_frame_release(raw) }

  public var count: Int { unsafe cr_frame_span(raw).length }

  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe cr_frame_span(raw)
      return unsafe _overrideLifetime(
        RawSpan(_unsafeStart: UnsafeRawPointer(span.base), byteCount: span.length), borrowing: self)
    }
  }
}
