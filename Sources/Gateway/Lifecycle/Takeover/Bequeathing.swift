import MCP
import Reactor
import Wire

/// What this process tells the one that takes its place. First all that it knows of sessions, then what changes, while it
/// still serves: until it drains the other one only listens, so that nothing is lost should that fail. Then streams for
/// messages of no call are the other one's, and calls that this process finishes go on being told.
extension Gateway {
  /// Begins to tell a successor. Gives the descriptor that the successor is to have; nil if that can't be.
  package func bequeath() -> Int32? {
    let ends: (mine: HandoverStream, others: Int32)
    do throws(ReactorError) {
      ends = try HandoverStream.pair()
    } catch {
      logger.warning("the next process can't be told what is known of sessions: \(error)")
      return nil
    }
    let relay = SessionRelay(ends.mine)
    state.successor.relay?.close()
    state.successor.put(relay)
    let (state, logger) = (state, logger)
    relayThreads.append(
      Thread(name: "sluice-heir") {
        let failure = relay.serve(
          SessionRelay.Service(
            first: { state.tellAll(relay, $0) }, received: { record, _ in state.received(record, fromSuccessor: relay) }
          ))
        if let failure { logger.warning("what the next process says of sessions can't be read: \(failure)") }
        state.successor.remove(relay)
      })
    return ends.others
  }

  /// There is no successor any more.
  package func keepSessions() { state.successor.relay?.close() }

  /// From here on streams for messages of no call are the successor's.
  func leaveSessions() {
    guard let relay = state.successor.relay else { return }
    for session in state.sessions.all where session.transport == .streamableHTTP {
      session.withState { state in
        state.isLeft = true
        relay.add(SessionRecord(session.id, .left))
      }
    }
    state.hasLeftSessions.store(true, ordering: .releasing)
    relay.add(SessionRecord(SessionRecord.none, .allLeft))
  }

  /// Nothing more is told, and nobody is listened to.
  func endRelays() {
    state.successor.relay?.finish(within: 1000)
    state.predecessor.relay?.finish(within: 100)
    for thread in relayThreads { thread.join() }
    relayThreads = []
  }
}

extension GatewayState {
  /// Whether this process passes on what one before it and one after it tell each other.
  var isBetween: Bool { predecessor.relay != nil && successor.relay != nil }

  /// Bytes of events that a successor is told of at once, at most.
  private static let mostEvents = 128 << 20
  /// Bytes that are told at a time.
  private static let portion = 64 << 10

  /// Tells all that is known of sessions by now.
  fileprivate func tellAll(_ relay: SessionRelay, _ tell: ([UInt8]) -> Bool) {
    var portion: [UInt8] = []
    func say(_ bytes: [UInt8]) -> Bool {
      portion += bytes
      guard portion.count >= Self.portion else { return true }
      defer { portion.removeAll(keepingCapacity: true) }
      return tell(portion)
    }
    for ending in endedSessions.untold {
      let record = SessionRecord(
        ending.id, .ended(opened: ending.minute, share: ending.share, number: SessionRecord.noNumber))
      guard say(record.encoded) else { return }
    }
    // What a former process has left, before the rest: a session that is made of it meanwhile is told again, and in full.
    for encoded in inheritance.tell(relay) {
      guard say(encoded) else { return }
    }
    var events = 0
    for session in sessions.all where session.transport == .streamableHTTP {
      for record in session.records(events: Self.mostEvents - events) {
        let encoded = record.encoded
        if case .piece = record.contents { events += encoded.count }
        guard say(encoded) else { return }
      }
    }
    guard tell(portion) else { return }
    // Behind what was added meanwhile: clients have that already.
    relay.complete()
  }

  /// What the successor says.
  fileprivate func received(_ record: SessionRecord, fromSuccessor relay: SessionRelay) {
    switch record.contents {
    case .reply(let message): replied(message, record.session)
    case .ended(let minute, let share, let number):
      end(record.session, opened: minute, share: share, beside: predecessor.relay) {
        relay.add(SessionRecord(record.session, .noted(number: number)))
      }
    case .noted(let number): relay.noted(number)
    default: break
    }
  }

  /// What a client has said to another process, in answer to this one.
  private func replied(_ message: [UInt8], _ id: SessionID) {
    guard let session = sessions.find(id) else {
      predecessor.relay?.add(SessionRecord(id, .reply(message)))
      return
    }
    post(to: Int(session.id.worker)) { worker in
      let envelopes = worker.requestScanner
      let envelope = envelopes.scan(message.rawBytes, depth: worker.settings.depth)
      switch envelope.kind {
      case .notification: worker.clientNotified(session, envelope)
      case .result, .error: worker.clientResponded(session, envelope)
      default: break
      }
    }
  }

  /// The client of a session has ended it elsewhere, which is passed on. `done` is called once both know.
  func end(
    _ id: SessionID, opened minute: UInt32, share: UInt16, beside other: SessionRelay?,
    _ done: @escaping @Sendable () -> Void
  ) {
    let noted = Gathering(other == nil ? 1 : 2)
    let note = { @Sendable in if noted.arrive() { done() } }
    other?.end(id, opened: minute, share: share, note)
    ended(id, opened: minute, share: share, note)
  }

  private func ended(
    _ id: SessionID, opened minute: UInt32, share: UInt16, _ done: @escaping @Sendable () -> Void
  ) {
    endedSessions.learn(id, opened: minute, share: share)
    inheritance.remove(id)
    guard let session = sessions.find(id) else { return done() }
    post(to: Int(session.id.worker)) { worker in
      worker.end(session)
      done()
    }
  }

  /// Makes an encoded message the next event of a stream, here and in the process that takes this one's place.
  func append(
    _ frame: Frame, to stream: EventLog.StreamNumber, of session: Session, last: Bool
  ) -> EventLog.Delivery? {
    session.withState { state in
      guard let delivery = state.log.append(frame, to: stream, last: last) else { return nil }
      tell(of: stream, frame, in: state, session)
      return delivery
    }
  }

  /// Tells the process that takes this one's place what was added last to a stream. Within the session's lock, so that it
  /// comes to know in order.
  func tell(
    of stream: EventLog.StreamNumber, _ frame: Frame? = nil, in state: borrowing Session.State, _ session: Session
  ) {
    guard let relay = successor.relay, session.transport == .streamableHTTP,
      var piece = state.log.latestPiece(of: stream)
    else { return }
    piece.frame = frame
    relay.add(SessionRecord(session.id, .piece(piece)))
  }

  /// The same of what its client has settled.
  func tell(_ state: borrowing Session.State, of session: Session) {
    guard let relay = successor.relay, session.transport == .streamableHTTP else { return }
    relay.add(SessionRecord(session.id, .settled(session.settled(state))))
  }

  /// And of what it subscribes to.
  func tell(_ uri: [UInt8], isWanted: Bool, of session: Session) {
    guard let relay = successor.relay, session.transport == .streamableHTTP else { return }
    relay.add(SessionRecord(session.id, .subscription(uri, isWanted: isWanted)))
  }
}

extension Session {
  fileprivate func settled(_ state: borrowing State) -> SessionRecord.Settled {
    SessionRecord.Settled(
      revision: revision, abilities: abilities, lists: announcedLists, logLevel: state.logLevel)
  }

  /// All that another process should know of it. Events beyond so many bytes are left out.
  fileprivate func records(events most: Int) -> [SessionRecord] {
    withState { state in
      guard !state.ended else { return [] }
      var records = [SessionRecord(id, .settled(settled(state)))]
      for uri in state.subscriptions.keys { records.append(SessionRecord(id, .subscription(uri, isWanted: true))) }
      var bytes = 0
      for var piece in state.log.pieces {
        bytes += piece.frame?.count ?? 0
        if bytes > most, piece.frame != nil {
          piece.frame = nil
          piece.isLost = true
        }
        records.append(SessionRecord(id, .piece(piece)))
      }
      return records
    }
  }
}
