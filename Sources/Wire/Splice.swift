import CWire

/// Collects the edits of one message and then writes it with every other byte as it was. What is put in is copied
/// when it is named, so nothing needs to outlive the call. One per worker, used again and again: it takes its memory
/// once and grows where a message needs many edits.
@safe
public struct Splice: ~Copyable {
  private struct Operation: BitwiseCopyable {
    var place: Slice
    var text: Slice
    /// For the edit of an object: the removed members, in `members`.
    var removedStart: Int32
    var removedCount: Int32
  }

  private var text = ByteBuffer()
  private var operations = RefilledList<Operation>(capacity: 16)
  private var members = RefilledList<Member>(capacity: 16)
  private var edits: UnsafeMutableBufferPointer<cwire_edit>
  private var removed: UnsafeMutableBufferPointer<cwire_json_member>

  public init() {
    unsafe edits = .allocate(capacity: 32)
    unsafe removed = .allocate(capacity: 16)
  }

  deinit {
    unsafe edits.deallocate()
    unsafe removed.deallocate()
  }

  public var isEmpty: Bool { operations.isEmpty }

  /// Forgets all edits.
  public mutating func reset() {
    text.clear(keepingAtMost: 16384)
    operations.clear()
    members.clear()
  }

  /// The bytes at `place` become `replacement`. An empty place inserts, an empty replacement deletes.
  public mutating func replace(_ place: Slice, with replacement: RawSpan) {
    let start = text.count
    text.append(replacement)
    add(place, start: start)
  }

  public mutating func replace(_ place: Slice, with replacement: StaticString) {
    replace(place, with: replacement.bytes)
  }

  public mutating func replace(_ place: Slice, withDecimal value: UInt64) {
    let start = text.count
    text.append(decimal: value)
    add(place, start: start)
  }

  /// The bytes at `place` become what `encode` appends.
  public mutating func replace(_ place: Slice, _ encode: (inout ByteBuffer) -> Void) {
    let start = text.count
    encode(&text)
    add(place, start: start)
  }

  public mutating func insert(at offset: Int, _ encode: (inout ByteBuffer) -> Void) {
    replace(Slice(offset: offset, length: 0), encode)
  }

  public mutating func insert(at offset: Int, _ inserted: RawSpan) {
    replace(Slice(offset: offset, length: 0), with: inserted)
  }

  /// Takes members out of the object at `object` and puts what `encode` appends (members with commas between them,
  /// none around) right after its opening brace. One call does all there is to do to one object.
  public mutating func edit(
    object: Slice, removing keys: MetaSet, of envelope: Envelope, inserting encode: (inout ByteBuffer) -> Void
  ) {
    let first = members.count
    for key in keys.intersection(envelope.metaFound) { add(envelope.member(key)) }
    edit(object: object, removedFrom: first, inserting: encode)
  }

  public mutating func edit(
    object: Slice, removing keys: ParamSet, of envelope: Envelope, inserting encode: (inout ByteBuffer) -> Void
  ) {
    let first = members.count
    for key in keys.intersection(envelope.paramsFound) { add(envelope.member(key)) }
    edit(object: object, removedFrom: first, inserting: encode)
  }

  public mutating func edit(
    object: Slice, removing keys: ResultSet, of envelope: Envelope, inserting encode: (inout ByteBuffer) -> Void
  ) {
    let first = members.count
    for key in keys.intersection(envelope.resultFound) { add(envelope.member(key)) }
    edit(object: object, removedFrom: first, inserting: encode)
  }

  public mutating func edit(object: Slice, removing keys: MetaSet, of envelope: Envelope, inserting text: RawSpan) {
    edit(object: object, removing: keys, of: envelope) { $0.append(text) }
  }

  public mutating func edit(object: Slice, removing keys: ParamSet, of envelope: Envelope, inserting text: RawSpan) {
    edit(object: object, removing: keys, of: envelope) { $0.append(text) }
  }

  /// The same for members found otherwise; their places count from the message's start.
  public mutating func edit(
    object: Slice, removing removed: Span<Member>, inserting encode: (inout ByteBuffer) -> Void
  ) {
    let first = members.count
    for index in removed.indices { add(removed[index]) }
    edit(object: object, removedFrom: first, inserting: encode)
  }

  /// Puts members into an object and takes none out.
  public mutating func edit(object: Slice, inserting encode: (inout ByteBuffer) -> Void) {
    edit(object: object, removedFrom: members.count, inserting: encode)
  }

  private mutating func edit(object: Slice, removedFrom first: Int, inserting encode: (inout ByteBuffer) -> Void) {
    let start = text.count
    encode(&text)
    guard members.count > first || text.count > start else { return }
    add(object, start: start, removedStart: first, removedCount: members.count - first)
  }

  private mutating func add(_ member: Member?) {
    if let member { members.append(member) }
  }

  private mutating func add(_ place: Slice, start: Int, removedStart: Int = 0, removedCount: Int = -1) {
    let inserted = Slice(offset: start, length: text.count - start)
    operations.append(
      Operation(place: place, text: inserted, removedStart: Int32(removedStart), removedCount: Int32(removedCount)))
  }

  /// Appends the edited message. With `flatten` every CR and LF of it becomes a space. False, and nothing appended,
  /// when the edits contradict each other or lie outside the message.
  public mutating func write(_ message: RawSpan, into output: inout ByteBuffer, flatten: Bool = false) -> Bool {
    for index in operations.indices where operations[index].place.end > message.byteCount { return false }
    for index in members.indices {
      guard members[index].value.end <= message.byteCount, members[index].key.offset != 0 else { return false }
    }
    makeRoom()
    return unsafe message.withC { message in
      unsafe text.bytes.withC { text in
        var list = unsafe cwire_edits_make(edits.baseAddress, edits.count)
        // By index: an iterator would count a reference to the array.
        for index in operations.indices {
          let operation = operations[index]
          let place = unsafe cwire_span(base: message.base + operation.place.offset, length: operation.place.length)
          let inserted =
            unsafe operation.text.isEmpty
            ? cwire_span() : cwire_span(base: text.base + operation.text.offset, length: operation.text.length)
          if operation.removedCount < 0 {
            unsafe cwire_edits_replace(&list, message, place, inserted)
            continue
          }
          let count = Int(operation.removedCount)
          for index in 0..<count {
            unsafe removed[index] = members[Int(operation.removedStart) + index].c(in: message)
          }
          unsafe cwire_edits_object(&list, message, place, removed.baseAddress, count, inserted)
        }
        let length = unsafe cwire_splice_prepare(&list, message)
        guard length >= 0 else { return false }
        return unsafe output.write(room: length) { unsafe cwire_splice_put(&$0, message, &list, flatten) }
      }
    }
  }

  /// A replacement is one piece; the edit of an object is one for each removal, one for what is put in, and one for
  /// the comma behind it.
  private mutating func makeRoom() {
    let pieces = operations.count * 2 + members.count
    if unsafe pieces > edits.count {
      unsafe edits.deallocate()
      unsafe edits = .allocate(capacity: pieces * 2)
    }
    if unsafe members.count > removed.count {
      unsafe removed.deallocate()
      unsafe removed = .allocate(capacity: members.count * 2)
    }
  }
}
