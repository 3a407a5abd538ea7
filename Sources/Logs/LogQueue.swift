/// Lines on their way to a reader that may be slow, or gone. Whoever logs never waits: what finds no room is dropped and
/// counted, and so is all that follows until everything that waits has been taken; then a notice stands in the gap.
struct LogQueue {
  /// Bytes that wait, with those that were taken and are not written yet.
  let capacity: Int
  /// Lines that were dropped so far.
  private(set) var dropped: UInt64 = 0
  private var waiting: [UInt8] = []
  private var taken = Taken.nothing
  /// Bytes of what was taken that are not written yet.
  private var unwritten = 0
  /// Lines that were dropped and that no notice has told of.
  private var untold: UInt64 = 0
  /// The writer found nothing when it last looked, and was not told since.
  private var isWriterIdle = true
  /// The line that says how many were dropped.
  private let notice: @Sendable (UInt64) -> [UInt8]

  /// What the writer has in hand.
  private enum Taken {
    case nothing
    case lines
    /// A notice of so many.
    case notice(UInt64)
  }

  struct Admission: Equatable {
    var isKept: Bool
    /// The writer had nothing to do and has to be told.
    var wakes: Bool
  }

  init(capacity: Int, notice: @escaping @Sendable (UInt64) -> [UInt8]) {
    self.capacity = capacity
    self.notice = notice
  }

  /// Nothing is left to be written.
  var isEmpty: Bool { waiting.isEmpty && unwritten == 0 && untold == 0 }

  /// Takes a line, its end included.
  mutating func add(_ line: [UInt8]) -> Admission {
    let isKept = untold == 0 && line.count <= capacity - waiting.count - unwritten
    if isKept { waiting.append(contentsOf: line) } else { drop(1) }
    defer { isWriterIdle = false }
    return Admission(isKept: isKept, wakes: isWriterIdle)
  }

  /// What is to be written next, once what was taken before is written; nil when there is nothing. `spare` is memory to go
  /// on with.
  mutating func take(giving spare: inout [UInt8]) -> [UInt8]? {
    spare.removeAll(keepingCapacity: true)
    if !waiting.isEmpty {
      let batch = waiting
      waiting = spare
      spare = []
      taken = .lines
      unwritten = batch.count
      return batch
    }
    guard untold > 0 else {
      taken = .nothing
      isWriterIdle = true
      return nil
    }
    let line = notice(untold)
    taken = .notice(untold)
    unwritten = line.count
    untold = 0
    return line
  }

  /// So many bytes of what was taken are written.
  mutating func wrote(_ count: Int) { unwritten -= count }

  /// The rest of what was taken can't be written: that many lines, one that was begun included.
  /// - Returns: how many are dropped with that; a notice is told again.
  mutating func failed(_ lines: Int) -> UInt64 {
    defer { taken = .nothing }
    unwritten = 0
    switch taken {
    case .nothing:
      return 0
    case .lines:
      drop(UInt64(lines))
      return UInt64(lines)
    case .notice(let count):
      untold += count
      return 0
    }
  }

  private mutating func drop(_ lines: UInt64) {
    dropped += lines
    untold += lines
  }
}
