import CWire

/// Raw-slice JSON: values stay the bytes they were, found by span, never turned into a tree.
public enum JSON {
  public enum Kind: UInt8, Sendable {
    /// An empty span, or bytes that begin no value.
    case none
    case object, array, string
    /// A number without fraction and exponent, of any length.
    case integer
    case number
    case `true`, `false`, null
  }

  /// The deepest nesting that is read unless a limit says otherwise.
  public static let defaultDepth = 128

  /// The kind of a value token, by its first byte. It does not validate.
  public static func kind(of value: RawSpan) -> Kind {
    let code = unsafe value.withC { unsafe cwire_json_kind_of($0) }
    return Kind(rawValue: UInt8(truncatingIfNeeded: code.rawValue)) ?? .none
  }

  /// Whether the text is one value with nothing but whitespace around it.
  public static func isValid(_ text: RawSpan, depth: Int = defaultDepth) -> Bool {
    unsafe text.withC { unsafe cwire_json_validate($0, UInt32(depth), nil) } == CWIRE_JSON_OK
  }

  /// Steps over the members of an object or the elements of an array; empty for anything else.
  @_lifetime(copy container)
  public static func items(of container: RawSpan, depth: Int = defaultDepth) -> Items {
    Items(container, depth: depth)
  }

  /// The value of the first member with that name, once unescaped.
  @_lifetime(copy object)
  public static func find(_ name: StaticString, in object: RawSpan) -> RawSpan? {
    guard let member = findMember(name, in: object) else { return nil }
    return object[member.value]
  }

  /// The first member with that name, by its place in `object`.
  public static func findMember(_ name: StaticString, in object: RawSpan) -> Member? {
    var member = unsafe cwire_json_member()
    let found = unsafe object.withC { object in
      let text = unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
      return unsafe cwire_json_find(object, text, &member)
    }
    guard found else { return nil }
    return unsafe Member(member, in: object)
  }

  /// The `id` of a message of which only the last bytes are known, if it is its last member and a number, as servers
  /// write it that put the result first.
  public static func closingID(_ tail: RawSpan) -> UInt64? {
    var end = tail.byteCount
    func skipBlanks() {
      while end > 0, [0x20, 0x09, 0x0A, 0x0D].contains(tail[byte: end - 1]) { end -= 1 }
    }
    func take(_ text: StaticString) -> Bool {
      skipBlanks()
      let count = text.utf8CodeUnitCount
      guard end >= count, tail.extracting((end - count)..<end).equals(text) else { return false }
      end -= count
      return true
    }
    guard take("}") else { return nil }
    skipBlanks()
    let last = end
    while end > 0, (0x30...0x39).contains(tail[byte: end - 1]) { end -= 1 }
    let digits = tail.extracting(end..<last)
    // A quote after a comma opens a string: no other could have ended there. So this is the whole of a key.
    guard take(":"), take("\"id\""), take(",") else { return nil }
    return digits.decimal
  }

  /// The contents between the quotes of a string token, raw; nil for any other value.
  @_lifetime(copy value)
  public static func contents(of value: RawSpan) -> RawSpan? {
    guard value.byteCount >= 2, value[byte: 0] == 0x22 else { return nil }
    return value.extracting(1..<(value.byteCount - 1))
  }

  /// Whether raw string contents hold an escape.
  public static func isEscaped(_ contents: RawSpan) -> Bool { contents.firstIndex(of: 0x5C) != nil }

  /// Whether raw string contents are this text once unescaped.
  public static func equals(_ contents: RawSpan, _ text: RawSpan) -> Bool {
    unsafe contents.withC { contents in
      unsafe text.withC { unsafe cwire_json_key_equal(contents, true, $0) }
    }
  }

  /// Whether a value is a string token that stands for this text.
  public static func isString(_ value: RawSpan?, _ text: StaticString) -> Bool {
    guard let value, let contents = contents(of: value) else { return false }
    return equals(contents, text.bytes)
  }

  /// Appends the UTF-8 of raw string contents. False, and nothing appended, for a malformed escape.
  @discardableResult
  public static func unescape(_ contents: RawSpan, into buffer: inout ByteBuffer) -> Bool {
    var good = true
    _ = unsafe buffer.fill(room: contents.byteCount) { out, room in
      let length = unsafe contents.withC { unsafe cwire_json_unescape($0, out, room) }
      guard length >= 0, length <= room else {
        good = false
        return 0
      }
      return length
    }
    return good
  }

  /// The text of a string token. Allocates: for the slow path.
  public static func string(_ value: RawSpan) -> String? {
    guard let contents = contents(of: value) else { return nil }
    guard isEscaped(contents) else { return contents.text }
    var buffer = ByteBuffer(capacity: contents.byteCount)
    guard unescape(contents, into: &buffer) else { return nil }
    return buffer.bytes.text
  }

  /// The bytes of the text of a string token. Allocates: for snapshots.
  public static func bytes(_ value: RawSpan) -> [UInt8]? {
    guard let contents = contents(of: value) else { return nil }
    guard isEscaped(contents) else { return contents.array }
    var buffer = ByteBuffer(capacity: contents.byteCount)
    guard unescape(contents, into: &buffer) else { return nil }
    return buffer.bytes.array
  }

  /// The value of an integer token that fits.
  public static func integer(_ value: RawSpan) -> Int64? {
    var number: Int64 = 0
    return unsafe value.withC { unsafe cwire_json_int64($0, &number) } ? number : nil
  }

  public static func boolean(_ value: RawSpan) -> Bool? {
    switch kind(of: value) {
    case .true: true
    case .false: false
    default: nil
    }
  }
}

/// A member of an object by the places of its parts in the message it was found in.
public struct Member: Sendable, Equatable, BitwiseCopyable {
  /// The raw key, without its quotes.
  public var key: Slice
  /// The whole value token.
  public var value: Slice
  public var keyIsEscaped: Bool

  /// From the key's opening quote to the end of the value.
  public var extent: Slice { Slice(offset: key.offset - 1, length: value.end - key.offset + 1) }

  public init(key: Slice, value: Slice, keyIsEscaped: Bool) {
    self.key = key
    self.value = value
    self.keyIsEscaped = keyIsEscaped
  }

  /// The same member as seen from a message in which `base` bytes come before.
  public func shifted(by base: Int) -> Member {
    Member(key: key.shifted(by: base), value: value.shifted(by: base), keyIsEscaped: keyIsEscaped)
  }

  init(_ member: cwire_json_member, in message: RawSpan) {
    let base = unsafe message.withC { unsafe $0.base }
    unsafe key =
      member.key.base == nil
      ? Slice(offset: 0, length: 0) : Slice(offset: member.key.base - base!, length: member.key.length)
    unsafe value = Slice(offset: member.value.base - base!, length: member.value.length)
    unsafe keyIsEscaped = member.key_escaped
  }

  func c(in message: cwire_span) -> cwire_json_member {
    unsafe cwire_json_member(
      key: cwire_span(base: message.base + key.offset, length: key.length),
      value: cwire_span(base: message.base + value.offset, length: value.length),
      extent: cwire_span(base: message.base + extent.offset, length: extent.length),
      key_escaped: keyIsEscaped)
  }
}

extension JSON {
  /// An iterator over a container. Offsets in the members it gives count from the container's first byte.
  @safe
  public struct Items: ~Escapable {
    public let container: RawSpan
    private var iterator: cwire_json_iterator
    private var isDone: Bool
    /// The text turned out malformed; what came before the fault has been given out.
    public private(set) var isMalformed: Bool

    @_lifetime(copy container)
    init(_ container: RawSpan, depth: Int) {
      var iterator = unsafe cwire_json_iterator()
      let status = unsafe container.withC { unsafe cwire_json_iterate(&iterator, $0, UInt32(depth)) }
      self.container = container
      unsafe self.iterator = iterator
      isDone = status != CWIRE_JSON_OK
      isMalformed = status != CWIRE_JSON_OK
    }

    /// The next member or element; nil at the end.
    @_lifetime(self: copy self)
    public mutating func next() -> Member? {
      guard !isDone else { return nil }
      var item = unsafe cwire_json_member()
      var iterator = unsafe self.iterator
      let status = unsafe cwire_json_next(&iterator, &item)
      unsafe self.iterator = iterator
      guard status == CWIRE_JSON_OK else {
        isDone = true
        isMalformed = status != CWIRE_JSON_END
        return nil
      }
      return unsafe Member(item, in: container)
    }

    /// Whether a member's key is this name once unescaped.
    public func key(of member: Member, is name: StaticString) -> Bool {
      member.keyIsEscaped
        ? JSON.equals(container[member.key], name.bytes) : container[member.key].equals(name)
    }

    @_lifetime(copy self)
    public func value(of member: Member) -> RawSpan { container[member.value] }
  }
}
