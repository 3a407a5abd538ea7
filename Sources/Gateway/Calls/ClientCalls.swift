import MCP
import Reactor
import Wire

/// The calls of one client: what becomes of them when it cancels, or is gone.
extension Worker {
  /// A client cancelled a request: wherever it runs, its upstream is told.
  func cancelCalls(of session: Session, _ requestID: [UInt8]) {
    let mine = cancelOwnCalls(of: session, requestID)
    // A call may run on any worker: the others look if there are any that were not here.
    guard session.callsInFlight > mine else { return }
    for worker in 0..<gateway.workerCount where worker != index {
      gateway.post(to: worker) { _ = $0.cancelOwnCalls(of: session, requestID) }
    }
  }

  /// Returns how many calls of the session were under way here.
  private func cancelOwnCalls(of session: Session, _ requestID: [UInt8]) -> Int {
    let mine = calls.calls(of: session.id, session.socket)
    for id in mine {
      if let call = calls.find(id), call.isCalled(requestID.rawBytes), call.method != .initialize {
        cancelByClient(call)
      }
    }
    return mine.count
  }

  /// The client of a WebSocket cancelled a request: its upstream is told, and nothing answers it any more.
  func cancelCalls(over socket: ConnectionID, _ requestID: RawSpan) {
    for id in calls.calls(over: socket) {
      guard let call = calls.find(id), call.isCalled(requestID), call.method != .initialize else { continue }
      // The answers of a batch are gathered, so each of its calls has one.
      if case .batch = call.origin { cancelByClient(call) } else { withdraw(call) }
    }
  }

  /// A WebSocket is gone, and with it the client.
  func abandonCalls(over socket: ConnectionID) {
    for id in calls.calls(over: socket) {
      if let call = calls.find(id) { abandon(call, reason: "the client closed its connection") }
    }
  }

  func hasCalls(over socket: ConnectionID) -> Bool { !calls.calls(over: socket).isEmpty }

  /// What a session that is gone has under way on this worker: who waits for an answer hears so.
  func abandonCalls(of session: Session) {
    for id in calls.calls(of: session.id, session.socket) {
      guard let call = calls.find(id) else { continue }
      switch call.origin {
      case .post, .batch:
        cancelUpstream(call, reason: "the session ended")
        fail(call, isClosing ? GatewayError(.draining) : GatewayError(.cancelled, message: "the session has ended"))
      default:
        abandon(call, reason: "the session ended")
      }
    }
    if !reverses.isEmpty { _ = reverses.takeAll { $0.session === session } }
  }

  /// The calls that are answered on a connection.
  func calls(answeredOn connection: ConnectionID, of session: Session? = nil) -> [CallID] {
    calls.ids { call in
      guard case .post(connection) = call.origin, !call.answer.hasLeft else { return false }
      return session == nil || call.session === session
    }
  }
}
