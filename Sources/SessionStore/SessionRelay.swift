import MCP
import Reactor
import Synchronization

/// The stream between this process and another that takes its place, or whose place this one takes: what they tell each
/// other of sessions, as long as both live. A thread of its own serves it; any thread adds to it.
public final class SessionRelay: Sendable {
  /// Bytes that may wait to be sent. What comes beyond that is lost, which the other process notices by the numbers.
  private static let most = 64 << 20
  /// How long the other process may take to read anything of what is told first, in milliseconds.
  private static let patience: UInt64 = 3000

  private struct State {
    var waiting: [UInt8] = []
    /// Everything that waits is sent, and that is all.
    var isEnding = false
    var isOver = false
    /// What is to be done once the other process has noted something.
    var notes: [UInt32: @Sendable () -> Void] = [:]
    var lastNote: UInt32 = 0
  }

  private let stream: HandoverStream
  private let state = Mutex(State())

  public init(_ stream: HandoverStream) { self.stream = stream }

  /// Tells the other process. False once it has gone.
  @discardableResult
  public func add(_ record: SessionRecord) -> Bool { add(record.encoded) }

  /// Tells it what came from a third one, as it came.
  public func pass(_ encoded: [UInt8]) { add(encoded) }

  /// Tells that everything that there was has been said, even if much waits.
  public func complete() { add(SessionRecord(SessionRecord.none, .complete).encoded, isSmall: true) }

  @discardableResult
  private func add(_ bytes: [UInt8], isSmall: Bool = false) -> Bool {
    let (isTold, wakes) = state.withLock { state in
      guard !state.isOver, !state.isEnding else { return (false, false) }
      guard isSmall || state.waiting.count + bytes.count <= Self.most else { return (true, false) }
      defer { state.waiting += bytes }
      return (true, state.waiting.isEmpty)
    }
    if wakes { stream.wake() }
    return isTold
  }

  /// Tells that a client has ended a session. `noted` is called once the other process knows, or has gone.
  public func end(
    _ session: SessionID, opened minute: UInt32, share: UInt16, _ noted: @escaping @Sendable () -> Void
  ) {
    let number = state.withLock { state -> UInt32? in
      guard !state.isOver, !state.isEnding else { return nil }
      state.lastNote &+= 1
      if state.lastNote == SessionRecord.noNumber { state.lastNote = 1 }
      state.notes[state.lastNote] = noted
      return state.lastNote
    }
    guard let number else { return noted() }
    add(SessionRecord(session, .ended(opened: minute, share: share, number: number)))
  }

  public func noted(_ number: UInt32) { state.withLock { $0.notes.removeValue(forKey: number) }?() }

  /// Sends what waits, for so long at most, and ends.
  public func finish(within milliseconds: UInt64) {
    state.withLock { $0.isEnding = true }
    stream.wake()
    let end = System.uptime + milliseconds
    while !state.withLock({ $0.isOver }), System.uptime < end { System.sleep(milliseconds: 2) }
    close()
  }

  /// Hears and says nothing more.
  public func close() {
    stream.end()
    stream.wake()
  }

  // MARK: Its thread

  /// What the thread that serves it does with what comes.
  public struct Service {
    /// Says what is to be said before all else, by `tell`, which waits and is false once that is of no use.
    public var first: (_ tell: ([UInt8]) -> Bool) -> Void
    public var received: (SessionRecord, [UInt8]) -> Void
    /// Called at least every 100 ms.
    public var glance: () -> Void

    public init(
      first: @escaping (_ tell: ([UInt8]) -> Bool) -> Void = { _ in },
      received: @escaping (SessionRecord, [UInt8]) -> Void, glance: @escaping () -> Void = {}
    ) {
      self.first = first
      self.received = received
      self.glance = glance
    }
  }

  /// Serves until one of both processes has nothing more to say. What was wrong, if something was.
  public func serve(_ service: Service) -> SessionRecordReader.Failure? {
    defer { settle() }
    var reader = SessionRecordReader()
    guard tell(SessionRecordReader.greeting) else { return nil }
    var isHeard = true
    service.first {
      isHeard = isHeard && tell($0)
      return isHeard
    }
    guard isHeard else { return nil }
    var outgoing: [UInt8] = []
    var sent = 0
    while true {
      if sent == outgoing.count {
        let isEnding = state.withLock { state in
          outgoing = []
          swap(&outgoing, &state.waiting)
          return state.isEnding
        }
        sent = 0
        if outgoing.isEmpty, isEnding { return nil }
      }
      let ready = stream.wait(writing: sent < outgoing.count, milliseconds: 100)
      if ready.isReadable {
        guard let bytes = stream.receive(atMost: 256 << 10) else { return nil }
        reader.feed(bytes)
        do throws(SessionRecordReader.Failure) {
          while let (record, encoded) = try reader.next() { service.received(record, encoded) }
        } catch {
          return error
        }
      }
      if ready.isWritable {
        guard let count = stream.send(outgoing, from: sent) else { return nil }
        sent += count
      }
      service.glance()
    }
  }

  /// Sends all of it, unless the other process does not read.
  private func tell(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    var end = System.uptime + Self.patience
    while sent < bytes.count {
      guard let count = stream.send(bytes, from: sent) else { return false }
      sent += count
      if count > 0 {
        end = System.uptime + Self.patience
      } else {
        guard System.uptime < end, !state.withLock({ $0.isEnding }) else { return false }
        _ = stream.wait(writing: true, milliseconds: 10)
      }
    }
    return true
  }

  private func settle() {
    stream.end()
    let left = state.withLock { state in
      state.isOver = true
      state.waiting = []
      defer { state.notes = [:] }
      return Array(state.notes.values)
    }
    for noted in left { noted() }
  }
}

/// Where a relay is found; without a lock while there is none.
public final class RelayPlace: Sendable {
  private let isThere = Atomic<Bool>(false)
  private let held = Mutex<SessionRelay?>(nil)

  public var relay: SessionRelay? { isThere.load(ordering: .acquiring) ? held.withLock { $0 } : nil }

  public func put(_ relay: SessionRelay) {
    held.withLock { $0 = relay }
    isThere.store(true, ordering: .releasing)
  }
  public init() {}

  /// Takes it out if it is that one.
  public func remove(_ relay: SessionRelay) {
    held.withLock { held in
      guard held === relay else { return }
      held = nil
      isThere.store(false, ordering: .releasing)
    }
  }
}
