import MCP
import Reactor
import SessionStore
import Sessions
import Wire
import Workers

/// How clients of one kind are spoken to. There is one conformance for each kind and worker, and the connection is in the
/// `ReplyTo`; all of it happens on the loop's thread, and spans are not kept.
///
/// What a call has to say goes in this order: `answer`, or `beginEvents`, some `write`, a last `write` and `endEvents`.
public protocol ClientTransport: AnyObject {
  /// The whole answer.
  /// - Parameters:
  ///   - status: of HTTP, for clients that see one.
  ///   - session: whose call it is; nil for a modern client's.
  func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan, of session: Session?)

  /// An error before anything was begun.
  /// - Parameter id: the raw token that the client called it by; nil: null.
  func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era, of session: Session?)

  /// A notification or a response was taken, and nothing answers it.
  func accept(_ reply: ReplyTo)

  /// Something is to be said before the answer, which becomes a stream of events for that. Its number in the session's log,
  /// 0 for a modern client, whose streams have none; nil where messages go out as they are and nothing begins.
  func beginEvents(_ reply: ReplyTo, of session: Session?, _ revision: Revision) -> EventLog.StreamNumber?

  /// A message before the answer, or the answer itself as the last of the stream. Where the client does not read, `source` is
  /// paused; if it can't be, the client may be let go, and then its call is told so before this returns.
  /// - Parameters:
  ///   - stream: as `beginEvents` gave it.
  ///   - source: the call, if it alone brings what is written.
  func write(
    _ message: RawSpan, to reply: ReplyTo, _ stream: EventLog.StreamNumber?, of session: Session?, source: CallID?,
    last: Bool)

  /// The last event has been written: whoever reads the stream by now is told that it ends.
  /// - Parameter hasLeft: the client's own connection is gone.
  func endEvents(_ reply: ReplyTo, _ stream: EventLog.StreamNumber, of session: Session?, hasLeft: Bool)

  /// Ends the client's connection at once: an unfinished answer stays visibly unfinished.
  func close(_ reply: ReplyTo)
}

/// Nobody waits for what is said: it goes nowhere.
final class NoTransport: ClientTransport {
  func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan, of session: Session?) {}
  func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era, of session: Session?) {}
  func accept(_ reply: ReplyTo) {}
  func beginEvents(_ reply: ReplyTo, of session: Session?, _ revision: Revision) -> EventLog.StreamNumber? { nil }
  func write(
    _ message: RawSpan, to reply: ReplyTo, _ stream: EventLog.StreamNumber?, of session: Session?, source: CallID?,
    last: Bool
  ) {}
  func endEvents(_ reply: ReplyTo, _ stream: EventLog.StreamNumber, of session: Session?, hasLeft: Bool) {}
  func close(_ reply: ReplyTo) {}
}
