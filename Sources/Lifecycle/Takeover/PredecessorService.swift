import Delivery
import MCP
import OpenCalls
import Reactor
import SessionStore
import Sessions
import Wire
import Workers

/// What this process hears from the one whose place it takes.
public final class PredecessorService: Sendable {
  private let seam: SessionSeam
  private let sessions: SessionsShared
  private let mail: Mailboxes<DeliveryLetter>
  private let calls: Mailboxes<CallLetter>

  public init(_ seam: SessionSeam) {
    self.seam = seam
    sessions = seam.sessions
    mail = seam.deliveries.mail
    calls = seam.calls.mail
  }

  /// What the process says whose place this one takes.
  public func received(_ record: SessionRecord, _ encoded: [UInt8], fromPredecessor relay: SessionRelay) {
    let id = record.session
    switch record.contents {
    case .settled, .subscription, .piece, .left, .message:
      guard !sessions.ended.contains(id) else { return }
      sessions.inheritance.receive(encoded, of: id, in: sessions.table) { take(record, for: $0) }
    case .allLeft:
      for (session, frame) in sessions.inheritance.settle(isOver: false, now: System.uptime) { deliver(frame, session) }
    case .ended(let minute, let share, let number):
      seam.end(id, opened: minute, share: share, beside: sessions.successor.relay) {
        if number != SessionRecord.noNumber { relay.add(SessionRecord(id, .noted(number: number))) }
      }
    case .noted(let number): relay.noted(number)
    case .complete, .reply, .unknown: break
    }
  }

  /// What comes for a session that is here.
  private func take(_ record: SessionRecord, for session: Session) {
    switch record.contents {
    case .settled(let settled):
      let isNew = sessions.table.setLevel(settled.logLevel, of: session) { [sessions] in sessions.tell($0, of: session)
      }
      if isNew { calls.send(.logLevelChanged(of: session), to: Int(session.id.worker)) }
    case .subscription(let uri, let isWanted):
      calls.send(.renew([uri], of: session, isWanted: isWanted), to: Int(session.id.worker))
    case .piece(let piece): take(piece, for: session)
    case .left:
      session.withState { $0.log.takeOver() }
    case .message(let frame): deliver(frame, session.id)
    default: break
    }
  }

  private func take(_ piece: EventLog.Piece, for session: Session) {
    let now = System.uptime
    let ended = session.withState { state -> ConnectionID? in
      let delivery = state.log.adopt(piece, now: now)
      if let relay = sessions.successor.relay { relay.add(SessionRecord(session.id, .piece(piece))) }
      if let delivery, let reader = delivery.reader {
        send(delivery.event, to: reader, in: &state, session)
      }
      guard piece.isLast, let reader = state.log.reader(of: piece.stream) else { return nil }
      state.log.finish(piece.stream, now: now)
      return reader
    }
    if let ended { mail.send(.endReading(ended, of: session), to: ended.worker) }
  }

  /// An event to the worker that writes its stream, behind those that are on their way.
  private func send(
    _ event: EventLog.Event, to reader: ConnectionID, in state: inout Session.State, _ session: Session
  ) {
    _ = state.log.mayWrite(to: event.stream, on: -1)
    mail.send(
      .event(EventParcel(event: event, reader: reader, session: session, isCounted: true)), to: reader.worker)
  }

  /// A message that belongs to no call, from another thread than a worker's.
  private func deliver(_ frame: Frame, _ id: SessionID) {
    guard let session = sessions.table.find(id) else { return }
    session.withState { state in
      if sessions.leave(frame, to: state, session) { return }
      guard let stream = state.log.standalone, let delivery = state.log.append(frame, to: stream) else { return }
      sessions.tell(of: stream, frame, in: state, session)
      if let reader = delivery.reader { send(delivery.event, to: reader, in: &state, session) }
    }
  }

  /// The other process has gone: what it had not finished comes to no end.
  public func leftAlone() {
    let now = System.uptime
    let held = sessions.inheritance.settle(isOver: true, now: now)
    for session in sessions.table.all {
      let readers = session.withState { state in
        state.log.takeOver(endingAnswersWith: Inheritance.lostAnswer, now: now).compactMap { end in
          sessions.tell(of: end.event.stream, end.event.frame, in: state, session)
          if let reader = end.reader { send(end.event, to: reader, in: &state, session) }
          return end.reader
        }
      }
      for reader in readers { mail.send(.endReading(reader, of: session), to: reader.worker) }
    }
    for (session, frame) in held { deliver(frame, session) }
  }
}
