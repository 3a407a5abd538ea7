import CWire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Growable memory that is written front to back, emptied and used again: the scratch in which messages are
/// encoded. It grows by doubling and keeps what it has, so that the steady state allocates nothing.
@safe
public struct ByteBuffer: ~Copyable {
  var base: UnsafeMutableRawPointer?
  private(set) public var count: Int = 0
  private(set) public var capacity: Int = 0

  /// No memory is taken until the first byte.
  public init() { unsafe base = nil }

  public init(capacity: Int) {
    unsafe base = nil
    reserve(capacity)
  }

  deinit { unsafe free(base) }

  public var isEmpty: Bool { count == 0 }

  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      guard let base = unsafe base else { return RawSpan() }
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The bytes without a lifetime: the caller binds them to their owner at once.
  @unsafe
  var unboundBytes: RawSpan {
    @_lifetime(immortal)
    get {
      guard let base = unsafe base else { return RawSpan() }
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: ())
    }
  }

  /// Forgets the content and keeps the memory.
  public mutating func clear() { count = 0 }

  /// Forgets the content, and the memory too if it has grown above `limit` bytes: one large message must not
  /// stay in memory for ever.
  public mutating func clear(keepingAtMost limit: Int) {
    count = 0
    guard capacity > limit else { return }
    unsafe free(base)
    unsafe base = nil
    capacity = 0
  }

  /// Shortens the content to its first `length` bytes.
  public mutating func truncate(to length: Int) {
    precondition(length >= 0 && length <= count)
    count = length
  }

  /// Drops the first `length` bytes and moves the rest to the front.
  public mutating func removeFirst(_ length: Int) {
    precondition(length >= 0 && length <= count)
    guard length > 0, let base = unsafe base else { return }
    unsafe memmove(base, base + length, count - length)
    count -= length
  }

  /// Room for `more` bytes behind the content.
  public mutating func reserve(_ more: Int) {
    if capacity - count < more { grow(by: more) }
  }

  mutating func grow(by more: Int) {
    precondition(more >= 0 && more < 1 << 40)
    var wanted = capacity == 0 ? 256 : capacity
    while wanted - count < more { wanted *= 2 }
    guard let memory = unsafe realloc(base, wanted) else { fatalError("out of memory") }
    unsafe base = memory
    capacity = wanted
  }

  public mutating func append(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { source in
      guard let from = source.baseAddress else { return }
      unsafe append(bytes: from, count: source.count)
    }
  }

  public mutating func append(_ text: StaticString) {
    unsafe append(bytes: UnsafeRawPointer(text.utf8Start), count: text.utf8CodeUnitCount)
  }

  @unsafe
  mutating func append(bytes: UnsafeRawPointer, count length: Int) {
    guard length > 0 else { return }
    reserve(length)
    unsafe memcpy(base! + count, bytes, length)
    count += length
  }

  public mutating func append(byte: UInt8) {
    reserve(1)
    unsafe base!.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count += 1
  }

  public mutating func append(_ bytes: [UInt8]) { unsafe append(bytes.span.bytes) }

  /// Literals are static strings, which count no reference.
  @_disfavoredOverload
  public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { utf8 in
      guard let from = utf8.baseAddress else { return }
      unsafe append(bytes: UnsafeRawPointer(from), count: utf8.count)
    }
  }

  public mutating func append(decimal value: UInt64) {
    unsafe write(room: 20) { unsafe cwire_writer_put_u64(&$0, value) }
  }

  public mutating func append(decimal value: Int) {
    if value < 0 { append(byte: 0x2D) }
    append(decimal: UInt64(value.magnitude))
  }

  /// Lower-case hexadecimal of exactly `digits` digits.
  public mutating func append(hex value: UInt64, digits: Int) {
    reserve(digits)
    for place in stride(from: digits - 1, through: 0, by: -1) {
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(place * 4)) & 15
      append(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
  }

  /// A JSON string literal of UTF-8 text. Nothing but what JSON demands is escaped; the text must be valid UTF-8.
  public mutating func append(quoted text: RawSpan) {
    reserve(text.byteCount + 2)
    append(byte: 0x22)
    append(escaped: text)
    append(byte: 0x22)
  }

  public mutating func append(quoted text: String) {
    append(byte: 0x22)
    unsafe append(escaped: text.utf8Span.span.bytes)
    append(byte: 0x22)
  }

  /// The inside of a JSON string literal.
  public mutating func append(escaped text: RawSpan) {
    var plain = 0
    for index in 0..<text.byteCount {
      let byte = text[byte: index]
      guard byte < 0x20 || byte == 0x22 || byte == 0x5C else { continue }
      append(text.extracting(plain..<index))
      plain = index + 1
      switch byte {
      case 0x22: append("\\\"")
      case 0x5C: append("\\\\")
      case 0x0A: append("\\n")
      case 0x0D: append("\\r")
      case 0x09: append("\\t")
      default:
        append("\\u")
        append(hex: UInt64(byte), digits: 4)
      }
    }
    append(text.extracting(plain..<text.byteCount))
  }

  /// Lets a C writer fill the memory behind the content; it may put at most `room` bytes. True if it fitted and was
  /// valid, else nothing has been appended.
  @discardableResult
  mutating func write(room: Int, _ body: (inout cwire_writer) -> Void) -> Bool {
    reserve(room)
    guard let base = unsafe base else { return true }
    var writer = unsafe cwire_writer_make(base + count, capacity - count)
    unsafe body(&writer)
    guard unsafe cwire_writer_ok(&writer) else { return false }
    unsafe count += writer.length
    return true
  }

  /// Lets C fill memory behind the content: it gets where to write and how much room there is, and answers how many
  /// bytes it has written.
  mutating func fill(room: Int, _ body: (UnsafeMutablePointer<UInt8>, Int) -> Int) -> Int {
    reserve(max(room, 1))
    guard let base = unsafe base else { return 0 }
    let written = unsafe body((base + count).assumingMemoryBound(to: UInt8.self), capacity - count)
    precondition(written >= 0 && written <= capacity - count)
    count += written
    return written
  }
}
