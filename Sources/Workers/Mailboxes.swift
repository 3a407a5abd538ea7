import Synchronization

/// Opens the letters of one part of a worker, on the worker's loop.
public protocol LetterReader<Letter>: AnyObject {
  associatedtype Letter: Sendable
  func open(_ letter: Letter)
}

/// What is on its way between loops for one part of each: a queue of values per loop. Letters to a loop are opened in the
/// order in which they were sent; the loop is woken once for all that wait, and no letter allocates. Between letters of
/// different parts, and jobs that are posted, no order is kept.
public final class Mailboxes<Letter: Sendable>: Sendable {
  /// Letters that a loop opens in one turn; then it looks after its connections before it goes on.
  private let mostPerTurn: Int

  private let group: WorkerGroup
  private let boxes: [Box]

  public init(_ group: WorkerGroup, mostPerTurn: Int = 256) {
    self.group = group
    self.mostPerTurn = mostPerTurn
    boxes = (0..<group.loopCount).map { _ in Box() }
  }

  /// Has a part of that loop read what comes. To be taken back by `close` before the reader goes.
  public func open(_ index: Int, for reader: some LetterReader<Letter>) { boxes[index].place.enter(reader) }

  public func close(_ index: Int) { boxes[index].place.leave() }

  public func send(_ letter: Letter, to index: Int) {
    let wakes = boxes[index].waiting.withLock { waiting in
      waiting.letters.append(letter)
      return waiting.takeWake()
    }
    if wakes { wake(index) }
  }

  /// To the loops that serve clients.
  public func sendToWorkers(_ letter: Letter) {
    for index in 0..<group.workerCount { send(letter, to: index) }
  }

  /// Opens what has come for a loop by now, on its thread and without waiting for it to be woken. Not from within a letter.
  public func openNow(_ index: Int) {
    let hasLetters = !boxes[index].place.taken.isEmpty || boxes[index].waiting.withLock { !$0.letters.isEmpty }
    if hasLetters, !boxes[index].place.isOpening { openBox(index) }
  }

  private func wake(_ index: Int) {
    group.post(to: index) { [self] in
      boxes[index].waiting.withLock { $0.isWoken = false }
      openBox(index)
    }
  }

  private func openBox(_ index: Int) {
    let box = boxes[index]
    // What a loop has not done when it ends is done as it is destroyed, when nobody reads any more.
    guard let reader = box.place.reader else { return }
    if box.place.taken.isEmpty {
      box.waiting.withLock { swap(&$0.letters, &box.place.taken) }
    }
    let first = box.place.next
    let end = min(box.place.taken.count, first + mostPerTurn)
    box.place.next = end
    box.place.isOpening = true
    for index in first..<end { reader.open(box.place.taken[index]) }
    box.place.isOpening = false
    let isEmpty = end == box.place.taken.count
    if isEmpty {
      box.place.taken.removeAll(keepingCapacity: end <= 1024)
      box.place.next = 0
    }
    // What comes while letters are opened is for another turn, like what is left of them.
    let wakes = box.waiting.withLock { waiting in (!isEmpty || !waiting.letters.isEmpty) && waiting.takeWake() }
    if wakes { wake(index) }
  }

  private struct Waiting {
    var letters: [Letter] = []
    /// The loop has been told that there is something to open, and has not begun to.
    var isWoken = false

    /// True for who is to wake the loop.
    mutating func takeWake() -> Bool {
      defer { isWoken = true }
      return !isWoken
    }
  }

  private final class Box: Sendable {
    let waiting = Mutex(Waiting())
    let place = Place()
  }

  /// A loop's own side of its box.
  private final class Place: @unchecked Sendable {  // touched on its loop's thread, and before that runs and after it
    unowned(unsafe) private var readerOfLoop: (any LetterReader<Letter>)?
    var taken: [Letter] = []
    var next = 0
    var isOpening = false

    var reader: (any LetterReader<Letter>)? { unsafe readerOfLoop }
    func enter(_ reader: some LetterReader<Letter>) { unsafe readerOfLoop = reader }
    func leave() { unsafe readerOfLoop = nil }
  }
}
