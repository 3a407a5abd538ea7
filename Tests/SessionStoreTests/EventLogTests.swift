import Reactor
import Testing
import Wire

@testable import SessionStore

@Suite("The log of a session's event streams")
struct EventLogTests {
  private let one = ConnectionID(rawValue: 11)
  private let two = ConnectionID(rawValue: 1 << 56 | 12)

  /// Events that a resuming client gets, as text; nil if it gets none.
  private func replayed(_ resumption: EventLog.Resumption) -> [String]? {
    guard case .replay(let frames, _, _, _) = resumption else { return nil }
    return frames.map { text($0) }
  }

  /// An event as a client gets it.
  private func text(_ event: EventLog.Event) -> String {
    var line = ByteBuffer()
    event.appendIDLine(to: &line)
    return line.bytes.text + event.frame.bytes.text
  }

  private func text(_ delivery: EventLog.Delivery?) -> String? { delivery.map { text($0.event) } }

  private func append(
    _ text: StaticString, to stream: EventLog.StreamNumber, in log: inout EventLog, last: Bool = false
  )
    -> EventLog.Delivery?
  {
    log.append(EventLog.encode(text.bytes), to: stream, last: last)
  }

  @Test("An event is one line of data under an id that names its stream")
  func encoding() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.standalone, one)
    let delivery = append("{\"a\":\r\n1}", to: stream, in: &log)
    #expect(text(delivery) == "id: 1-1\nevent: message\ndata: {\"a\":  1}\n\n")
    #expect(delivery?.reader == one)
    let next = append("2", to: stream, in: &log)
    #expect(text(next) == "id: 1-2\nevent: message\ndata: 2\n\n")
  }

  @Test("A worker writes an event itself unless another worker's is still on its way")
  func order() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.standalone, one)
    var asked: [Bool] = []
    func ask(_ worker: Int) { asked.append(log.mayWrite(to: stream, on: worker)) }
    ask(0)
    ask(1)
    ask(0)
    log.arrived(on: stream)
    ask(0)
    log.arrived(on: stream)
    log.arrived(on: stream)
    ask(0)
    #expect(asked == [true, false, false, false, true])
  }

  @Test("Resuming replays what came after the named event, of that stream alone")
  func resuming() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let first = log.open(.standalone, one)
    let other = log.open(.answer, two)
    for text: StaticString in ["1", "2", "3"] { _ = append(text, to: first, in: &log) }
    _ = append("other", to: other, in: &log)
    let wasReader = log.detach(one, now: 5)
    #expect(wasReader)
    let resumption = log.resume(after: ("1-1" as StaticString).bytes, one, now: 6)
    #expect(
      replayed(resumption) == ["id: 1-2\nevent: message\ndata: 2\n\n", "id: 1-3\nevent: message\ndata: 3\n\n"])
    #expect(log.reader(of: first) == one)
  }

  @Test("A stream that is taken up elsewhere leaves its old reader")
  func replacing() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.standalone, one)
    _ = append("1", to: stream, in: &log)
    guard
      case .replay(let frames, _, let ended, let replaced) = log.resume(
        after: ("1-1" as StaticString).bytes, two, now: 1)
    else {
      Issue.record("not resumed")
      return
    }
    #expect(frames.isEmpty && !ended)
    #expect(replaced == one)
    let next = append("2", to: stream, in: &log)
    #expect(next?.reader == two)
    // The old connection ends after that: the stream is not its any more.
    let wasReader = log.detach(one, now: 2)
    #expect(!wasReader)
    #expect(log.reader(of: stream) == two)
  }

  @Test(
    "What nobody was sent can't be resumed after", arguments: ["", "1", "-", "1-", "-1", "1-2", "2-1", "1-1-1", "x-1"])
  func unknown(id: String) {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.standalone, one)
    _ = append("1", to: stream, in: &log)
    guard case .unknown = log.resume(after: Array(id.utf8).rawBytes, two, now: 1) else {
      Issue.record("\(id) was taken")
      return
    }
    #expect(log.reader(of: stream) == one)
  }

  @Test("A stream for messages of no call that is not known begins anew, an answer does not, none passes for another")
  func anew() {
    var former = EventLog(capacity: 1000, resumeWindow: 100)
    let (listening, answer) = (former.open(.standalone, one), former.open(.answer, two))
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    log.skipNumbers()
    let new = log.open(.standalone, one)
    #expect(new > 1 << 16 && log.open(.answer, one) > new && log.open(.answer, one).isMultiple(of: 2))
    for sequence in 0...3 {
      guard case .gone = log.resume(after: Array("\(listening)-\(sequence)".utf8).rawBytes, two, now: 1) else {
        Issue.record("the stream of another process was taken for one of this")
        return
      }
      guard case .unknown = log.resume(after: Array("\(answer)-\(sequence)".utf8).rawBytes, two, now: 1) else {
        Issue.record("an answer that is gone was promised")
        return
      }
    }
  }

  @Test("A client that only saw the priming event gets everything")
  func priming() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.answer, one)
    let primer = log.prime(stream, retry: 1200)
    #expect(primer?.bytes.text == "id: 2-1\nretry: 1200\ndata: \n\n")
    _ = append("2", to: stream, in: &log)
    _ = append("3", to: stream, in: &log, last: true)
    _ = log.detach(one, now: 0)
    guard case .replay(let frames, _, let ended, _) = log.resume(after: ("2-1" as StaticString).bytes, two, now: 1)
    else {
      Issue.record("not resumed")
      return
    }
    #expect(frames.count == 2)
    #expect(ended)
    #expect(log.reader(of: stream) == nil, "nothing more is coming")
  }

  @Test("Nothing comes after the last event")
  func ending() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.answer, one)
    let result = append("result", to: stream, in: &log, last: true)
    #expect(result != nil)
    let late = append("late", to: stream, in: &log)
    #expect(late == nil)
    let primer = log.prime(stream, retry: 1)
    #expect(primer == nil)
  }

  @Test("A message of no call goes to one stream that is read, else to one that may be taken up")
  func choosing() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    #expect(log.standalone == nil)
    _ = log.open(.answer, one)
    #expect(log.standalone == nil, "an answer's stream carries its call alone")
    #expect(!log.isListened)
    let first = log.open(.standalone, one)
    let second = log.open(.standalone, two)
    #expect(log.standalone == first)
    #expect(log.isListened)
    _ = log.detach(one, now: 0)
    _ = log.detach(one, now: 0)
    #expect(log.standalone == second)
    _ = log.detach(two, now: 0)
    #expect(log.standalone == second)
    #expect(!log.isListened)
  }

  @Test("A full log drops the oldest events, and says so to who asks for them")
  func bounds() {
    var log = EventLog(capacity: 400, resumeWindow: 100)
    let stream = log.open(.standalone, one)
    for _ in 0..<100 { _ = append("0123456789", to: stream, in: &log) }
    guard case .lost = log.resume(after: ("1-1" as StaticString).bytes, two, now: 1) else {
      Issue.record("the log kept more than its capacity")
      return
    }
    let kept = replayed(log.resume(after: ("1-97" as StaticString).bytes, two, now: 1))
    #expect(kept?.count == 3)
    let bytes = replayed(log.resume(after: ("1-92" as StaticString).bytes, two, now: 1))?.reduce(0) {
      $0 + $1.utf8.count
    }
    #expect(bytes.map { $0 <= 400 } ?? true)
  }

  @Test("An event too large for the log is delivered, and what came before it can't be resumed")
  func tooLarge() {
    var log = EventLog(capacity: 64, resumeWindow: 100)
    let stream = log.open(.answer, one)
    _ = append("1", to: stream, in: &log)
    let large = [UInt8](repeating: 0x20, count: 100)
    let reader = log.append(EventLog.encode(large.rawBytes), to: stream)?.reader
    #expect(reader == one)
    _ = append("3", to: stream, in: &log, last: true)
    guard case .lost = log.resume(after: ("2-1" as StaticString).bytes, two, now: 1) else {
      Issue.record("resumed over a gap")
      return
    }
    let after = replayed(log.resume(after: ("2-2" as StaticString).bytes, two, now: 1))?.count
    #expect(after == 1)
  }

  @Test("What was read to its end makes room before what is waited for")
  func makingRoom() {
    // Room for four of the five events.
    var log = EventLog(capacity: 4 * EventLog.encode(("0123456789" as StaticString).bytes).count, resumeWindow: 100)
    let broken = log.open(.answer, one)
    _ = append("0123456789", to: broken, in: &log)
    _ = append("0123456789", to: broken, in: &log)
    _ = log.detach(one, now: 10)
    let done = log.open(.answer, two)
    _ = append("0123456789", to: done, in: &log, last: true)
    log.finish(done, now: 20)
    let newest = log.open(.answer, two)
    _ = append("0123456789", to: newest, in: &log)
    _ = append("0123456789", to: newest, in: &log)
    guard case .lost = log.resume(after: ("4-0" as StaticString).bytes, one, now: 30) else {
      Issue.record("the finished stream was kept")
      return
    }
    let waiting = replayed(log.resume(after: ("2-0" as StaticString).bytes, one, now: 30))?.count
    #expect(waiting == 2)
  }

  @Test("A broken stream waits as long as its window, and an answer until it has come")
  func expiry() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let listening = log.open(.standalone, one)
    let answer = log.open(.answer, two)
    _ = append("1", to: answer, in: &log)
    log.expire(now: 1000)
    #expect(log.standalone == listening && log.attachedCount == 2, "what is read is not broken")
    _ = log.detach(one, now: 0)
    _ = log.detach(two, now: 0)
    log.expire(now: 99)
    #expect(log.standalone == listening)
    log.expire(now: 100)
    #expect(log.standalone == nil)
    let answered = append("2", to: answer, in: &log, last: true)
    #expect(answered != nil)
    log.expire(now: 100)
    guard case .unknown = log.resume(after: ("2-1" as StaticString).bytes, one, now: 100) else {
      Issue.record("the answer was kept for ever")
      return
    }
  }

  @Test("Where memory is short, what nobody reads is forgotten, and what is read is kept")
  func forgetting() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let broken = log.open(.answer, one)
    let read = log.open(.answer, two)
    for stream in [broken, read] { _ = append("0123456789", to: stream, in: &log) }
    #expect(log.unreadBytes == 0)
    _ = log.detach(one, now: 0)
    let waiting = log.unreadBytes
    #expect(waiting > 10)
    #expect(log.forgetUnread() == waiting)
    #expect(log.unreadBytes == 0)
    guard case .lost = log.resume(after: ("2-0" as StaticString).bytes, one, now: 1) else {
      Issue.record("it was kept")
      return
    }
    #expect(replayed(log.resume(after: ("4-0" as StaticString).bytes, two, now: 1))?.count == 1)
    // What comes next is kept as before.
    #expect(append("2", to: broken, in: &log) != nil)
    #expect(replayed(log.resume(after: ("2-1" as StaticString).bytes, one, now: 1))?.count == 1)
  }

  // MARK: Two processes

  /// What another process has of a log.
  private func copy(_ pieces: [EventLog.Piece], capacity: Int = 1000) -> EventLog {
    var other = EventLog(capacity: capacity, resumeWindow: 100)
    for piece in pieces { _ = other.adopt(piece, now: 0) }
    other.beginBeyond()
    return other
  }

  @Test("Another process replays what this one has, and goes on with what is told of it since, once")
  func succession() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.answer, one)
    _ = log.prime(stream, retry: 1000)
    _ = append("1", to: stream, in: &log)
    _ = log.prime(stream, retry: 1000)
    let before = log.pieces
    _ = append("2", to: stream, in: &log)
    let news = log.latestPiece(of: stream)!
    var other = copy(before + before)
    guard case .replay(let events, _, false, nil) = other.resume(after: ("2-1" as StaticString).bytes, two, now: 0)
    else { return #expect(Bool(false), "it can't be resumed") }
    #expect(events.map { $0.sequence } == [2])
    let delivery = other.adopt(news, now: 0)
    #expect(delivery?.reader == two && delivery?.event.sequence == 4)
    #expect(other.adopt(news, now: 0) == nil)
    _ = append("3", to: stream, in: &log, last: true)
    let last = log.latestPiece(of: stream)!
    #expect(last.isLast)
    #expect(other.adopt(last, now: 0)?.event.sequence == 5)
    let whole = replayed(other.resume(after: ("2-1" as StaticString).bytes, two, now: 0))
    #expect(whole?.count == 3)
    #expect(other.append(EventLog.encode(("4" as StaticString).bytes), to: stream) == nil, "it has ended")
  }

  @Test("Where something was missed a stream is not resumed before it")
  func missed() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.standalone, one)
    var pieces: [EventLog.Piece] = []
    for text in ["1", "2", "3"] as [StaticString] {
      _ = append(text, to: stream, in: &log)
      pieces.append(log.latestPiece(of: stream)!)
    }
    var other = copy([pieces[0], pieces[2]])
    guard case .lost = other.resume(after: ("1-1" as StaticString).bytes, two, now: 0) else {
      return #expect(Bool(false), "it was resumed")
    }
    #expect(replayed(other.resume(after: ("1-2" as StaticString).bytes, two, now: 0))?.count == 1)
    // One that was too large for either log.
    pieces[1].frame = nil
    pieces[1].isLost = true
    other = copy(pieces)
    guard case .lost = other.resume(after: ("1-1" as StaticString).bytes, two, now: 0) else {
      return #expect(Bool(false), "it was resumed")
    }
  }

  @Test("An id that another process may have given and not told of yet is early, as long as that one lives")
  func early() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.answer, one)
    _ = append("1", to: stream, in: &log)
    var other = copy(log.pieces)
    let own = other.open(.answer, two)
    func kind(_ id: String, isShared: Bool) -> String {
      switch other.resume(after: Array(id.utf8).rawBytes, two, isShared: isShared, now: 0) {
      case .replay: "replay"
      case .unknown: "unknown"
      case .gone: "gone"
      case .lost: "lost"
      case .early: "early"
      case .over: "over"
      }
    }
    #expect(kind("2-1", isShared: true) == "replay")
    #expect(kind("2-2", isShared: true) == "early" && kind("2-2", isShared: false) == "unknown")
    #expect(kind("4-1", isShared: true) == "early" && kind("4-1", isShared: false) == "unknown")
    #expect(kind("5-1", isShared: true) == "early" && kind("5-1", isShared: false) == "gone")
    #expect(kind("\(own)-9", isShared: true) == "unknown", "it is this one's to give")
    #expect(kind("2", isShared: true) == "unknown" && kind("x-1", isShared: true) == "unknown")
    // It is told.
    _ = append("2", to: stream, in: &log)
    _ = other.adopt(log.latestPiece(of: stream)!, now: 0)
    #expect(kind("2-2", isShared: true) == "replay")
    _ = other.takeOver(endingAnswersWith: lost, now: 0)
    #expect(kind("2-9", isShared: true) == "replay", "it is told that the answer is lost")
    #expect(kind("2-9999999", isShared: true) == "unknown")
  }

  @Test("Another process begins with numbers of its own, and what it is left goes on under the old ones")
  func numbers() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let stream = log.open(.standalone, one)
    let answer = log.open(.answer, one)
    _ = append("1", to: stream, in: &log)
    var other = copy(log.pieces)
    let isForeign = other.isForeign(stream)
    #expect(isForeign && other.standalone == stream)
    let own = other.open(.answer, two)
    #expect(own > answer + 100_000 && own.isMultiple(of: 2))
    #expect(log.latestPiece(of: stream).map { other.adopt($0, now: 0) } != nil)
    other.takeOver()
    #expect(!other.isForeign(stream) && other.isForeign(answer))
    #expect(other.append(EventLog.encode(("2" as StaticString).bytes), to: stream)?.event.sequence == 2)
    // What the other one says of it now is of no use.
    _ = append("not so", to: stream, in: &log)
    #expect(other.adopt(log.latestPiece(of: stream)!, now: 0) == nil)
    _ = other.resume(after: ("2-0" as StaticString).bytes, two, now: 0)
    let ends = other.takeOver(endingAnswersWith: lost, now: 0)
    #expect(ends.map(\.reader) == [two] && ends.first?.event.stream == answer)
    #expect(other.reader(of: answer) == nil)
  }

  private let lost = EventLog.encode(("lost" as StaticString).bytes)

  @Test("An answer that nobody brings ends with an event that says so, once and not for ever")
  func lostAnswer() {
    var log = EventLog(capacity: 1000, resumeWindow: 100)
    let answer = log.open(.answer, one)
    _ = append("1", to: answer, in: &log)
    var other = copy(log.pieces)
    let ends = other.takeOver(endingAnswersWith: lost, now: 0)
    #expect(ends.count == 1 && ends.allSatisfy { $0.reader == nil })
    // Also for a client that had an event more than this process was told of.
    for id in ["2-1", "2-2"] {
      guard case .replay(let events, _, true, nil) = other.resume(after: Array(id.utf8).rawBytes, two, now: 50) else {
        return #expect(Bool(false), "the client waits for ever")
      }
      #expect(events.map(\.frame.count) == [lost.count])
    }
    let end = "2-\(ends[0].event.sequence)"
    guard case .over = other.resume(after: Array(end.utf8).rawBytes, two, now: 99) else {
      return #expect(Bool(false), "the client comes back for ever")
    }
    other.expire(now: 100)
    guard case .unknown = other.resume(after: ("2-1" as StaticString).bytes, two, now: 100) else {
      return #expect(Bool(false), "coming back keeps it alive")
    }
  }

  @Test("Nothing that another process may say breaks the log or makes it larger than it may be")
  func nonsense() {
    var random = Seeded(state: 7)
    for _ in 0..<300 {
      var log = EventLog(capacity: 200, resumeWindow: 100)
      for _ in 0..<40 {
        var piece = EventLog.Piece(
          stream: .random(in: 0...6, using: &random), from: .random(in: 0...9, using: &random),
          to: Bool.random(using: &random)
            ? .random(in: 0...9, using: &random) : .max - .random(in: 0...2, using: &random))
        if Bool.random(using: &random) {
          piece.frame = EventLog.encode(("0123456789012345678901234567890" as StaticString).bytes)
        }
        piece.isLast = Int.random(in: 0...5, using: &random) == 0
        piece.isLost = Int.random(in: 0...5, using: &random) == 0
        _ = log.adopt(piece, now: 0)
        let bytes = log.unreadBytes
        #expect(bytes <= 200)
      }
      log.beginBeyond()
      let stream = log.open(.standalone, one)
      #expect(append("1", to: stream, in: &log) != nil)
      _ = log.takeOver(endingAnswersWith: lost, now: 0)
    }
  }
}
