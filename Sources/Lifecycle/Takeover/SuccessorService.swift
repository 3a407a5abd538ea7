import MCP
import OpenCalls
import SessionStore
import Sessions
import Wire
import Workers

/// What this process tells the one that takes its place. First all that it knows of sessions, then what changes, while it
/// still serves: until it drains the other one only listens, so that nothing is lost should that fail. Then streams for
/// messages of no call are the other one's, and calls that this process finishes go on being told.
public final class SuccessorService: Sendable {
  private let seam: SessionSeam
  private let sessions: SessionsShared

  public init(_ seam: SessionSeam) {
    self.seam = seam
    sessions = seam.sessions
  }

  /// Bytes of events that a successor is told of at once, at most.
  private static let mostEvents = 128 << 20
  /// Bytes that are told at a time.
  private static let portion = 64 << 10

  /// Tells all that is known of sessions by now.
  public func tellAll(_ relay: SessionRelay, _ tell: ([UInt8]) -> Bool) {
    var portion: [UInt8] = []
    func say(_ bytes: [UInt8]) -> Bool {
      portion += bytes
      guard portion.count >= Self.portion else { return true }
      defer { portion.removeAll(keepingCapacity: true) }
      return tell(portion)
    }
    for ending in sessions.ended.untold {
      let record = SessionRecord(
        ending.id, .ended(opened: ending.minute, share: ending.share, number: SessionRecord.noNumber))
      guard say(record.encoded) else { return }
    }
    // What a former process has left, before the rest: a session that is made of it meanwhile is told again, and in full.
    for encoded in sessions.inheritance.tell(relay) {
      guard say(encoded) else { return }
    }
    var events = 0
    for session in sessions.table.all where session.transport == .streamableHTTP {
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
  public func received(_ record: SessionRecord, fromSuccessor relay: SessionRelay) {
    switch record.contents {
    case .reply(let message): replied(message, record.session)
    case .ended(let minute, let share, let number):
      seam.end(record.session, opened: minute, share: share, beside: sessions.predecessor.relay) {
        relay.add(SessionRecord(record.session, .noted(number: number)))
      }
    case .noted(let number): relay.noted(number)
    default: break
    }
  }

  /// What a client has said to another process, in answer to this one.
  private func replied(_ message: [UInt8], _ id: SessionID) {
    guard let session = sessions.table.find(id) else {
      sessions.predecessor.relay?.add(SessionRecord(id, .reply(message)))
      return
    }
    seam.calls.mail.send(.said(message, session), to: Int(session.id.worker))
  }

  /// From here on streams for messages of no call are the successor's.
  public func leaveSessions() {
    guard let relay = sessions.successor.relay else { return }
    for session in sessions.table.all where session.transport == .streamableHTTP {
      session.withState { state in
        state.isLeft = true
        relay.add(SessionRecord(session.id, .left))
      }
    }
    sessions.hasLeft.store(true, ordering: .releasing)
    relay.add(SessionRecord(SessionRecord.none, .allLeft))
  }
}

extension Session {
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
