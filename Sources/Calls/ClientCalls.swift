import Delivery
import MCP
import OpenCalls
import Reactor
import Sessions
import Wire
import Workers

/// The calls of one client: what becomes of them when it cancels, or is gone.
public final class ClientCalls {
  private let context: CallsContext
  private let open: OpenCalls

  init(_ context: CallsContext, _ open: OpenCalls) {
    self.context = context
    self.open = open
  }

  /// A client cancelled a request: wherever it runs, its upstream is told.
  func cancel(of session: Session, _ requestID: [UInt8]) {
    let mine = cancelHere(of: session, requestID)
    // A call may run on any worker that the session was on: those look if there are any that were not here.
    guard session.callsInFlight > mine else { return }
    for worker in 0..<context.shared.group.workerCount where worker != context.index && session.mayBe(on: worker) {
      context.send(.cancel(requestID, of: session), to: worker)
    }
  }

  /// Returns how many calls of the session were under way here.
  @discardableResult
  func cancelHere(of session: Session, _ requestID: [UInt8]) -> Int {
    let mine = open.calls(of: session)
    for id in mine {
      if let call = open.find(id), call.isCalled(requestID.rawBytes), call.method != .initialize {
        open.cancel(call)
      }
    }
    return mine.count
  }

  /// The client of a WebSocket cancelled a request: its upstream is told, and nothing answers it any more.
  public func cancel(over socket: ConnectionID, _ requestID: RawSpan) {
    for id in open.calls(over: socket) {
      guard let call = open.find(id), call.isCalled(requestID), call.method != .initialize else { continue }
      // The answers of a batch are gathered, so each of its calls has one.
      if call.batch != nil { open.cancel(call) } else { open.withdraw(call) }
    }
  }

  /// A WebSocket is gone, and with it the client.
  func abandon(over socket: ConnectionID) {
    for id in open.calls(over: socket) {
      if let call = open.find(id) { open.abandon(call, reason: "the client closed its connection") }
    }
  }

  /// What a session that is gone has under way on this worker: who waits for an answer hears so.
  func abandon(of session: Session) {
    for id in open.calls(of: session) {
      guard let call = open.find(id) else { continue }
      guard call.reply.isPost || call.batch != nil else {
        open.abandon(call, reason: "the session ended")
        continue
      }
      open.expel(
        call,
        context.delivery.isClosing
          ? GatewayError(.draining) : GatewayError(.cancelled, message: "the session has ended"))
    }
    if !open.reverses.isEmpty { _ = open.reverses.takeAll { $0.session === session } }
  }
}
