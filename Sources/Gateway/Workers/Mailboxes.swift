import Synchronization

/// Opens the letters of one part of a worker, on the worker's loop.
protocol LetterReader<Letter>: AnyObject {
  associatedtype Letter: Sendable
  func open(_ letter: Letter)
}

/// What is on its way between loops for one part of each: a queue of values per loop. Letters to a loop are opened in the
/// order in which they were sent; the loop is woken once for all that wait, and no letter allocates. Between letters of
/// different parts, and jobs that are posted, no order is kept.
final class Mailboxes<Letter: Sendable>: Sendable {
  /// Letters that a loop opens in one turn; then it looks after its connections before it goes on.
  static var mostPerTurn: Int { 256 }

  private let group: WorkerGroup
  private let boxes: [Box]

  init(_ group: WorkerGroup) {
    self.group = group
    boxes = (0..<group.loopCount).map { _ in Box() }
  }

  /// Has a part of that loop read what comes. To be taken back by `close` before the reader goes.
  func open(_ index: Int, for reader: some LetterReader<Letter>) { boxes[index].place.enter(reader) }

  func close(_ index: Int) { boxes[index].place.leave() }

  func send(_ letter: Letter, to index: Int) {
    let isFirst = boxes[index].waiting.withLock { waiting in
      waiting.append(letter)
      return waiting.count == 1
    }
    if isFirst { wake(index) }
  }

  /// To the loops that serve clients.
  func sendToWorkers(_ letter: Letter) {
    for index in 0..<group.workerCount { send(letter, to: index) }
  }

  private func wake(_ index: Int) { group.post(to: index) { [self] in openBox(index) } }

  private func openBox(_ index: Int) {
    let box = boxes[index]
    // What a loop has not done when it ends is done as it is destroyed, when nobody reads any more.
    guard let reader = box.place.reader else { return }
    if box.place.taken.isEmpty {
      box.waiting.withLock { swap(&$0, &box.place.taken) }
    }
    let first = box.place.next
    let end = min(box.place.taken.count, first + Self.mostPerTurn)
    box.place.next = end
    for index in first..<end { reader.open(box.place.taken[index]) }
    guard end == box.place.taken.count else { return wake(index) }
    box.place.taken.removeAll(keepingCapacity: end <= 1024)
    box.place.next = 0
    if box.waiting.withLock({ !$0.isEmpty }) { wake(index) }
  }

  private final class Box: Sendable {
    let waiting = Mutex<[Letter]>([])
    let place = Place()
  }

  /// A loop's own side of its box.
  private final class Place: @unchecked Sendable {  // touched on its loop's thread, and before that runs and after it
    unowned(unsafe) private var readerOfLoop: (any LetterReader<Letter>)?
    var taken: [Letter] = []
    var next = 0

    var reader: (any LetterReader<Letter>)? { unsafe readerOfLoop }
    func enter(_ reader: some LetterReader<Letter>) { unsafe readerOfLoop = reader }
    func leave() { unsafe readerOfLoop = nil }
  }
}
