import CReactor

extension WriteOutcome {
  init(_ outcome: cr_write) {
    switch outcome {
    case CR_WRITE_OK: self = .taken
    case CR_WRITE_FULL: self = .full
    default: self = .stale
    }
  }
}

extension cwire_span {
  init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.init(base: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), length: bytes.count)
  }

  /// The bytes, for as long as the callback that brought them.
  var rawSpan: RawSpan {
    @_lifetime(borrow self)
    get {
      guard let base = unsafe self.base else { return unsafe _overrideLifetime(RawSpan(), borrowing: self) }
      return unsafe _overrideLifetime(RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: length), borrowing: self)
    }
  }
}

/// Hands up to three pieces to C, without those that are empty.
func withPieces<Result>(
  _ first: RawSpan, _ second: RawSpan, _ third: RawSpan, _ body: (UnsafePointer<cwire_span>, Int) -> Result
) -> Result {
  unsafe first.withUnsafeBytes { first in
    unsafe second.withUnsafeBytes { second in
      unsafe third.withUnsafeBytes { third in
        unsafe withUnsafeTemporaryAllocation(of: cwire_span.self, capacity: 3) { pieces in
          var count = 0
          func add(_ piece: UnsafeRawBufferPointer) {
            guard piece.count > 0 else { return }
            unsafe pieces.initializeElement(at: count, to: cwire_span(piece))
            count += 1
          }
          unsafe add(first)
          unsafe add(second)
          unsafe add(third)
          return unsafe body(pieces.baseAddress!, count)
        }
      }
    }
  }
}
