import Delivery
import MCP
import OpenCalls
import Reactor
import SessionStore
import Sessions
import Workers

/// What another process says of sessions, as far as it is the same whoever says it.
public final class SessionSeam: Sendable {
  let sessions: SessionsShared
  let deliveries: DeliveryShared
  let calls: CallsShared

  public init(_ deliveries: DeliveryShared, _ calls: CallsShared) {
    sessions = deliveries.sessions
    self.deliveries = deliveries
    self.calls = calls
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
    sessions.ended.learn(id, opened: minute, share: share)
    sessions.inheritance.remove(id)
    guard let session = sessions.table.find(id) else { return done() }
    deliveries.mail.send(.end(session, done), to: Int(session.id.worker))
  }
}
