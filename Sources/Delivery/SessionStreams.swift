import Configuration
import MCP
import Reactor
import SessionStore
import Sessions
import Wire
import Workers

/// The event streams of sessions that one worker writes, and what is told on streams of others.
public final class SessionStreams {
  private let context: DeliveryContext
  private let loop: EventLoop
  private let index: Int
  private let idLine: Scratch
  private let sessions: SessionsShared
  private let answers: HTTPAnswers
  private let slow: SlowReaders
  private let ends: SessionEnds
  /// By the connection that reads.
  private var readers: [ConnectionID: Session] = [:]
  /// How many clients of a session wait for what another process has yet to tell of a stream.
  private var early: [SessionID: Int] = [:]
  /// When those who read are to come back.
  private var reconnection = Reconnection(seed: UInt64.random(in: 0 ... .max))

  init(_ context: DeliveryContext, _ answers: HTTPAnswers, _ slow: SlowReaders, _ ends: SessionEnds) {
    self.context = context
    loop = context.loop
    index = context.index
    idLine = context.worker.idLine
    sessions = context.sessions
    self.answers = answers
    self.slow = slow
    self.ends = ends
  }

  // MARK: Reading

  /// Streams that are read here.
  public var count: Int { readers.count }

  public func session(readBy connection: ConnectionID) -> Session? { readers[connection] }

  /// The answer on that connection is a stream of the session from here on.
  public func beginReading(_ connection: ConnectionID, _ session: Session) {
    answers.beginEvents(connection)
    loop.setTag(connection, TagKind.eventStream.tag())
    readers[connection] = session
  }

  /// Ends the answer to a GET in order, if the connection still is at it: by now it may be at another request.
  public func endReading(_ reader: ConnectionID, of session: Session) {
    guard readers[reader] === session else { return }
    readers[reader] = nil
    loop.setTag(reader, 0)
    loop.endStream(reader)
  }

  /// The same where the session has ended, behind all that was told on the stream.
  func sessionEnded(_ reader: ConnectionID, of session: Session) {
    if context.isClosing, readers[reader] === session { answers.writeRetry(reader, drainedRetry()) }
    endReading(reader, of: session)
  }

  /// A stream was taken up by another connection: the old one, dead or not, is closed.
  func dropReader(_ reader: ConnectionID, of session: Session) {
    let calls = context.delegate.calls(answeredOn: reader, of: session)
    // The connection may be at another request by now.
    guard readers[reader] === session || !calls.isEmpty else { return }
    readers[reader] = nil
    loop.setTag(reader, 0)
    loop.abort(reader)
    for call in calls { context.delegate.clientGone(call) }
  }

  /// The connection that read a stream is gone.
  func readerGone(_ connection: ConnectionID) {
    guard let session = readers.removeValue(forKey: connection) else { return }
    let now = loop.now
    session.touch(now: now)
    _ = session.withState { $0.log.detach(connection, now: now) }
    // HTTP+SSE (MCP 2024-11-05, Basic/Transports) has no resumption: with its stream the session ends.
    if session.transport == .eventStream { ends.end(session) }
  }

  /// Ends a connection that does not read, if it reads a stream.
  func cut(_ connection: ConnectionID) -> Bool {
    guard readers[connection] != nil else { return false }
    loop.setTag(connection, 0)
    loop.abort(connection)
    readerGone(connection)
    return true
  }

  // MARK: Coming back

  /// Streams of clients that may come back at the same time, as far as this worker can tell.
  private var streamCount: Int { readers.count * context.worker.group.workerCount }

  /// The `retry` of a stream that begins, in milliseconds.
  public func usualRetry() -> UInt64 { reconnection.usual(among: streamCount) }

  /// The `retry` of a stream that is closed because the gateway ends.
  private func drainedRetry() -> UInt64 { reconnection.drained(among: streamCount) }

  /// Clients that only listen shall do so elsewhere, and not all at the same moment.
  func sendAway() { for (connection, session) in readers { sendAway(connection, session) } }

  public func sendAway(_ connection: ConnectionID, _ session: Session) {
    guard session.transport != .eventStream,
      let number = session.withState({ $0.log.standalone(readBy: connection) })
    else { return }
    let retry = drainedRetry()
    let sessions = sessions
    let frame = session.withState { state -> Frame? in
      // Numbers may be the next process's to give by now.
      guard session.revision.hasPriming, !state.isLeft, !sessions.hasLeft.load(ordering: .acquiring) else { return nil }
      defer { sessions.tell(of: number, in: state, session) }
      return state.log.prime(number, retry: retry)
    }
    if let frame { answers.write(frame, to: connection) } else { answers.writeRetry(connection, retry) }
    readers[connection] = nil
    let now = loop.now
    _ = session.withState { $0.log.detach(connection, now: now) }
    loop.setTag(connection, 0)
    loop.endStream(connection)
  }

  /// A client may have an event from the process whose place this one takes before that has told of it. It is looked for
  /// again after pauses that double, for about two seconds, by so many clients of a session at once as may listen.
  private static let resumeAttempts = 8
  private static let resumePause: UInt64 = 8

  /// Whether a client whose event is not known may wait for it.
  /// - Parameter attempt: how often it has.
  public func mayWait(_ session: Session, _ attempt: Int) -> Bool {
    attempt < Self.resumeAttempts
      && early[session.id, default: 0] < context.settings.configuration.limits.streamsPerSession
  }

  public func wait(_ session: Session, _ attempt: Int, _ again: @escaping () -> Void) {
    early[session.id, default: 0] += 1
    context.after(milliseconds: Self.resumePause << UInt64(attempt)) { [unowned self] in
      let others = early[session.id, default: 1] - 1
      early[session.id] = others > 0 ? others : nil
      again()
    }
  }

  // MARK: Events

  /// Takes an event to the connection that reads its stream.
  func perform(_ delivery: EventLog.Delivery, session: Session, source: CallID? = nil) {
    guard let reader = delivery.reader else { return }
    guard reader.worker == index else {
      return context.shared.send(
        EventParcel(event: delivery.event, reader: reader, session: session, isCounted: false))
    }
    write(delivery.event, to: reader, of: session, source: source)
  }

  /// An encoded message that belongs to no call, which others may get too, on one of the session's streams.
  ///
  /// False if it has none, and the message is lost.
  /// - Parameter isKnown: whether a process that takes this one's place comes to know of it by itself.
  @discardableResult
  func emit(_ frame: Frame, to session: Session, isKnown: Bool = false) -> Bool {
    let (sessions, shared, index) = (sessions, context.shared, index)
    var isHeld = false
    let taken: (delivery: EventLog.Delivery?, isKept: Bool) = session.withState { state in
      if sessions.leave(frame, to: state, session, isKnown: isKnown) { return (nil, true) }
      guard let stream = state.log.standalone else { return (nil, false) }
      isHeld = state.log.isForeign(stream)
      guard !isHeld, let delivery = state.log.append(frame, to: stream) else { return (nil, isHeld) }
      sessions.tell(of: stream, frame, in: state, session)
      guard let reader = delivery.reader, !state.log.mayWrite(to: stream, on: index) else {
        return (delivery, true)
      }
      // Sent under the lock: so events of several workers arrive in the order of their ids.
      shared.send(EventParcel(event: delivery.event, reader: reader, session: session, isCounted: true))
      return (nil, true)
    }
    // Numbers are the other process's to give yet.
    if isHeld, !sessions.inheritance.hold(frame, for: session.id) {
      // They are not any more, also those of a stream that it told of too late.
      session.withState { $0.log.takeOver() }
      return emit(frame, to: session, isKnown: isKnown)
    }
    if let delivery = taken.delivery, let reader = delivery.reader {
      write(delivery.event, to: reader, of: session, atOnce: true)
    }
    return taken.isKept
  }

  /// Writes what another loop has sent for a stream of this one.
  func deliver(_ parcel: EventParcel) {
    if parcel.isCounted { parcel.session.withState { $0.log.arrived(on: parcel.event.stream) } }
    // The connection may be at something else by now; then whoever takes up the stream finds the event in the log.
    guard readers[parcel.reader] === parcel.session else { return }
    write(parcel.event, to: parcel.reader, of: parcel.session, atOnce: true)
  }

  /// An event on a connection of this worker, under its id.
  @discardableResult
  public func write(
    _ event: EventLog.Event, on reader: ConnectionID, atOnce: Bool = false, as tally: Tally = .sentStreamableHTTP
  ) -> WriteOutcome {
    idLine.buffer.clear()
    event.appendIDLine(to: &idLine.buffer)
    return answers.write(event.frame, after: idLine.bytes(of: self), to: reader, atOnce: atOnce, as: tally)
  }

  private func write(
    _ event: EventLog.Event, to reader: ConnectionID, of session: Session, source: CallID? = nil,
    atOnce: Bool = false
  ) {
    let isEventStream = session.transport == .eventStream
    let tally = isEventStream ? Tally.sentEventStream : .sentStreamableHTTP
    guard write(event, on: reader, atOnce: atOnce, as: tally) == .full else { return }
    if let source, context.delegate.pauseSource(of: source) { return }
    // Nothing upstream can be paused for a stream that a child or many feed. One event may be as large as it likes, but a
    // reader that has so much to catch up with is let go, and may resume. HTTP+SSE knows no resumption: it gets more time.
    let settings = context.settings
    let limit = isEventStream ? settings.resultLimit : settings.configuration.sessions.replay
    if loop.queued(reader) - event.frame.count > limit {
      letGo(reader, of: session)
    } else {
      slow.note(reader, of: session)
    }
    if let source, session.withState({ !$0.log.readers.contains(reader) }) { context.delegate.clientGone(source) }
  }

  private func letGo(_ connection: ConnectionID, of session: Session) {
    guard !cut(connection) else { return }
    loop.setTag(connection, 0)
    loop.abort(connection)
    let now = loop.now
    _ = session.withState { $0.log.detach(connection, now: now) }
  }
}
