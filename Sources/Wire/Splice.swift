import CWire

/// Collects the edits of one message and then writes it with every other byte as it was. What is put in is copied
/// when it is named, so nothing needs to outlive the call. One per worker, used again and again: it takes its memory
/// once. Edits beyond its room make `write` answer false.
@safe
package struct Splice: ~Copyable {
  private struct Operation: BitwiseCopyable {
    var place: Slice
    var text: Slice
    /// For the edit of an object: the removed members, in `members`.
    var removedStart: Int32
    var removedCount: Int32
  }

  private static var capacity: Int { 32 }

  private var text = ByteBuffer()
  private let operations: UnsafeMutablePointer<Operation>
  private let members: UnsafeMutablePointer<Member>
  private let edits: UnsafeMutablePointer<cwire_edit>
  private let removed: UnsafeMutablePointer<cwire_json_member>
  private var operationCount = 0
  private var memberCount = 0
  private var failed = false

  package init() {
    unsafe operations = .allocate(capacity: Self.capacity)
    unsafe members = .allocate(capacity: Self.capacity)
    unsafe edits = .allocate(capacity: Self.capacity * 2)
    unsafe removed = .allocate(capacity: Self.capacity)
  }

  deinit {
    unsafe operations.deallocate()
    unsafe members.deallocate()
    unsafe edits.deallocate()
    unsafe removed.deallocate()
  }

  package var isEmpty: Bool { operationCount == 0 }

  /// Forgets all edits.
  package mutating func reset() {
    text.clear(keepingAtMost: 16384)
    operationCount = 0
    memberCount = 0
    failed = false
  }

  /// The bytes at `place` become `replacement`. An empty place inserts, an empty replacement deletes.
  package mutating func replace(_ place: Slice, with replacement: RawSpan) {
    let start = text.count
    text.append(replacement)
    add(place, start: start)
  }

  package mutating func replace(_ place: Slice, with replacement: StaticString) {
    replace(place, with: replacement.bytes)
  }

  package mutating func replace(_ place: Slice, withDecimal value: UInt64) {
    let start = text.count
    text.append(decimal: value)
    add(place, start: start)
  }

  /// The bytes at `place` become what `encode` appends.
  package mutating func replace(_ place: Slice, _ encode: (inout ByteBuffer) -> Void) {
    let start = text.count
    encode(&text)
    add(place, start: start)
  }

  package mutating func insert(at offset: Int, _ encode: (inout ByteBuffer) -> Void) {
    replace(Slice(offset: offset, length: 0), encode)
  }

  package mutating func insert(at offset: Int, _ inserted: RawSpan) {
    replace(Slice(offset: offset, length: 0), with: inserted)
  }

  /// Takes members out of the object at `object` and puts others (with commas between them, none around) right
  /// after its opening brace. All removals of one object must come in one call.
  package mutating func edit(object: Slice, removing keys: MetaSet, of envelope: Envelope, inserting: RawSpan) {
    let first = memberCount
    for key in MetaKey.allCases where keys.contains(key) { add(envelope.member(key)) }
    edit(object: object, removedFrom: first, inserting: inserting)
  }

  package mutating func edit(object: Slice, removing keys: ParamSet, of envelope: Envelope, inserting: RawSpan) {
    let first = memberCount
    for key in Param.allCases where keys.contains(key) { add(envelope.member(key)) }
    edit(object: object, removedFrom: first, inserting: inserting)
  }

  package mutating func edit(object: Slice, removing keys: ResultSet, of envelope: Envelope, inserting: RawSpan) {
    let first = memberCount
    for key in ResultKey.allCases where keys.contains(key) { add(envelope.member(key)) }
    edit(object: object, removedFrom: first, inserting: inserting)
  }

  /// The same for members found otherwise; their places count from the message's start.
  package mutating func edit(object: Slice, removing members: Span<Member>, inserting: RawSpan) {
    let first = memberCount
    for index in members.indices { add(members[index]) }
    edit(object: object, removedFrom: first, inserting: inserting)
  }

  private mutating func edit(object: Slice, removedFrom first: Int, inserting: RawSpan) {
    guard memberCount > first || inserting.byteCount > 0 else { return }
    let start = text.count
    text.append(inserting)
    add(object, start: start, removedStart: first, removedCount: memberCount - first)
  }

  private mutating func add(_ member: Member?) {
    guard let member else { return }
    guard memberCount < Self.capacity else {
      failed = true
      return
    }
    unsafe members[memberCount] = member
    memberCount += 1
  }

  private mutating func add(_ place: Slice, start: Int, removedStart: Int = 0, removedCount: Int = -1) {
    guard operationCount < Self.capacity else {
      failed = true
      return
    }
    let inserted = Slice(offset: start, length: text.count - start)
    unsafe operations[operationCount] = Operation(
      place: place, text: inserted, removedStart: Int32(removedStart), removedCount: Int32(removedCount))
    operationCount += 1
  }

  /// Appends the edited message. With `flatten` every CR and LF of it becomes a space. False, and nothing appended,
  /// when the edits contradict each other or lie outside the message.
  package mutating func write(_ message: RawSpan, into output: inout ByteBuffer, flatten: Bool = false) -> Bool {
    guard !failed else { return false }
    for index in 0..<operationCount {
      guard unsafe operations[index].place.end <= message.byteCount else { return false }
    }
    for index in 0..<memberCount {
      guard unsafe members[index].value.end <= message.byteCount, unsafe members[index].key.offset > 0 else {
        return false
      }
    }
    return unsafe message.withC { message in
      unsafe text.bytes.withC { text in
        var list = unsafe cwire_edits_make(edits, Self.capacity * 2)
        for index in 0..<operationCount {
          let operation = unsafe operations[index]
          let place = unsafe cwire_span(base: message.base + operation.place.offset, length: operation.place.length)
          let inserted =
            unsafe operation.text.isEmpty
            ? cwire_span() : cwire_span(base: text.base + operation.text.offset, length: operation.text.length)
          if operation.removedCount < 0 {
            unsafe cwire_edits_replace(&list, message, place, inserted)
          } else {
            for member in 0..<Int(operation.removedCount) {
              unsafe removed[member] = members[Int(operation.removedStart) + member].c(in: message)
            }
            unsafe cwire_edits_object(&list, message, place, removed, Int(operation.removedCount), inserted)
          }
        }
        let length = unsafe cwire_splice_prepare(&list, message)
        guard length >= 0 else { return false }
        return unsafe output.write(room: length) { unsafe cwire_splice_put(&$0, message, &list, flatten) }
      }
    }
  }
}
