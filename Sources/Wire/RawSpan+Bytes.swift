import CWire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension RawSpan {
  /// The byte at an index, which is checked.
  public subscript(byte index: Int) -> UInt8 {
    precondition(index >= 0 && index < byteCount, "byte index out of range")
    return unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self)
  }

  /// The bytes that a slice of this message names. Traps if it lies outside.
  public subscript(slice: Slice) -> RawSpan {
    @_lifetime(copy self)
    get { extracting(slice.range) }
  }

  /// Where `part` lies within this span, if it points into it.
  public func slice(of part: RawSpan) -> Slice? {
    guard let range = byteOffsets(of: part) else { return nil }
    return Slice(range)
  }

  public func equals(_ other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    return unsafe withUnsafeBytes { mine in
      unsafe other.withUnsafeBytes { theirs in
        guard let a = mine.baseAddress, let b = theirs.baseAddress else { return true }
        return unsafe memcmp(a, b, mine.count) == 0
      }
    }
  }

  public func equals(_ text: StaticString) -> Bool {
    unsafe equals(bytes: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  /// What follows a UTF-8 byte order mark at its beginning, all of it without one.
  public var withoutByteOrderMark: RawSpan {
    @_lifetime(copy self)
    get {
      guard byteCount >= 3, self[byte: 0] == 0xEF, self[byte: 1] == 0xBB, self[byte: 2] == 0xBF else { return self }
      return extracting(3..<byteCount)
    }
  }

  public func hasPrefix(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    return byteCount >= count && extracting(first: count).equals(text)
  }

  public func hasSuffix(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    return byteCount >= count && extracting(last: count).equals(text)
  }

  public func hasPrefix(_ other: RawSpan) -> Bool {
    byteCount >= other.byteCount && extracting(first: other.byteCount).equals(other)
  }

  public func hasSuffix(_ other: RawSpan) -> Bool {
    byteCount >= other.byteCount && extracting(last: other.byteCount).equals(other)
  }

  @unsafe
  func equals(bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
    guard byteCount == count else { return false }
    return unsafe withUnsafeBytes { mine in
      guard let base = mine.baseAddress else { return true }
      return unsafe memcmp(base, bytes, count) == 0
    }
  }

  /// Equality that folds ASCII letters and nothing else.
  public func equalsIgnoringCase(_ text: StaticString) -> Bool {
    guard byteCount == text.utf8CodeUnitCount else { return false }
    if equals(text) { return true }
    for index in 0..<byteCount {
      let theirs = unsafe text.utf8Start[index]
      guard Self.lowercased(self[byte: index]) == Self.lowercased(theirs) else { return false }
    }
    return true
  }

  /// Equality that folds ASCII letters and nothing else.
  public func equalsIgnoringCase(_ other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    if equals(other) { return true }
    for index in 0..<byteCount {
      guard Self.lowercased(self[byte: index]) == Self.lowercased(other[byte: index]) else { return false }
    }
    return true
  }

  @inline(__always)
  private static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
  }

  public func firstIndex(of byte: UInt8) -> Int? {
    unsafe withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, let hit = unsafe memchr(base, Int32(byte), bytes.count) else { return nil }
      return unsafe UnsafeRawPointer(hit) - base
    }
  }

  /// The offset of the first occurrence of `text`.
  public func firstRange(of text: StaticString) -> Range<Int>? {
    let count = text.utf8CodeUnitCount
    guard count > 0 else { return 0..<0 }
    let first = unsafe text.utf8Start[0]
    var start = 0
    while start + count <= byteCount {
      guard let hit = extracting(start..<byteCount).firstIndex(of: first), start + hit + count <= byteCount else {
        return nil
      }
      let range = (start + hit)..<(start + hit + count)
      if extracting(range).equals(text) { return range }
      start += hit + 1
    }
    return nil
  }

  /// Without spaces and tabs at either end (RFC 9110 section 5.6.3).
  public var trimmed: RawSpan {
    @_lifetime(copy self)
    get {
      var start = 0
      var end = byteCount
      while start < end, self[byte: start] == 0x20 || self[byte: start] == 0x09 { start += 1 }
      while end > start, self[byte: end - 1] == 0x20 || self[byte: end - 1] == 0x09 { end -= 1 }
      return extracting(start..<end)
    }
  }

  /// A path without the slash that may be at its end; the root stays what it is.
  public var withoutLastSlash: RawSpan {
    @_lifetime(copy self)
    get {
      guard byteCount > 1, self[byte: byteCount - 1] == UInt8(ascii: "/") else { return self }
      return extracting(0..<(byteCount - 1))
    }
  }

  /// The value of a whole span of decimal digits that fits in 64 bits.
  public var decimal: UInt64? {
    var value: UInt64 = 0
    let isNumber = unsafe byteCount <= 20 && withC { unsafe cwire_span_to_u64($0, &value) }
    return isNumber ? value : nil
  }

  /// A copy of the bytes. Allocates: for snapshots and the slow path.
  public var array: [UInt8] {
    unsafe withUnsafeBytes { unsafe [UInt8]($0) }
  }

  /// A copy of these bytes and others behind them.
  public func joined(with other: RawSpan) -> [UInt8] {
    unsafe withUnsafeBytes { mine in
      unsafe other.withUnsafeBytes { theirs in
        unsafe [UInt8](unsafeUninitializedCapacity: mine.count + theirs.count) { bytes, count in
          unsafe UnsafeMutableRawBufferPointer(bytes).copyMemory(from: mine)
          unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[mine.count...])
            .copyMemory(from: theirs)
          count = mine.count + theirs.count
        }
      }
    }
  }

  /// The bytes as text, with what is no UTF-8 replaced. Allocates: for logs and the slow path.
  public var text: String {
    unsafe withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// A span that C owns. Immortal as far as the compiler knows: callers bind it to its true owner at once.
  @inline(__always)
  @_lifetime(immortal)
  @unsafe
  init(_ span: cwire_span) {
    if let base = unsafe span.base {
      let bytes = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: span.length)
      self = unsafe _overrideLifetime(bytes, borrowing: ())
    } else {
      self = RawSpan()
    }
  }

  /// Lends the bytes to C for the length of one call.
  @inline(__always)
  func withC<Result>(_ body: (cwire_span) -> Result) -> Result {
    unsafe withUnsafeBytes { bytes in
      unsafe body(cwire_span(base: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), length: bytes.count))
    }
  }
}

extension RawSpan {
  /// The bytes from a place on as a number, the most significant first.
  public func number<Number: FixedWidthInteger & BitwiseCopyable>(at place: Int) -> Number {
    precondition(place >= 0 && place <= byteCount - MemoryLayout<Number>.size, "out of bounds")
    return unsafe Number(bigEndian: unsafeLoadUnaligned(fromByteOffset: place, as: Number.self))
  }
}

extension StaticString {
  /// The text's bytes, which live for ever.
  public var bytes: RawSpan {
    @_lifetime(immortal)
    get {
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(utf8Start), byteCount: utf8CodeUnitCount)
      return unsafe _overrideLifetime(span, borrowing: ())
    }
  }
}

extension Array where Element == UInt8 {
  /// The elements as raw bytes.
  public var rawBytes: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}

extension InlineArray where Element == UInt8 {
  /// The elements as raw bytes.
  public var rawBytes: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}

extension Span where Element == UInt8 {
  /// The elements as raw bytes.
  public var rawBytes: RawSpan {
    @_lifetime(copy self)
    get { unsafe bytes }
  }
}
