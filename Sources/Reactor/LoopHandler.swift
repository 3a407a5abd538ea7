public import Wire

/// What policy hears from its event loop. Every call is synchronous, on the loop's thread, and no span outlives it.
///
/// `tag` is the word that policy gave a connection; 0 until then.
public protocol LoopHandler: AnyObject {
  /// A whole request, decoded. Exactly one answer must follow, now or later.
  func request(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan)
  /// The client ended its sending side while an answer is due or a stream is open; it can still be written to.
  func peerEnded(_ connection: ConnectionID, tag: UInt64)
  /// A tagged downstream connection is gone, other than by the orderly end of its answer.
  func closed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError)
  /// The write queue fell below its low mark after a write was answered with `.full`.
  func drained(_ connection: ConnectionID, tag: UInt64)

  /// The head of an upstream's answer.
  func response(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead)
  /// A decoded piece of its body; the last one, perhaps empty, says whether the connection may be used again.
  func responseBody(_ connection: ConnectionID, tag: UInt64, _ piece: RawSpan, last: Bool, reusable: Bool)
  /// A client connection is gone. `sent`: bytes of the current request may have reached the upstream.
  func upstreamClosed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError, sent: Bool)
  /// An HTTP client connection is no more, whoever ended it, and its descriptor is closed: the last that is heard of it.
  func upstreamGone(_ connection: ConnectionID)

  /// A whole message of a WebSocket of either side. A text is UTF-8.
  func websocketMessage(_ connection: ConnectionID, tag: UInt64, _ message: RawSpan, binary: Bool)
  /// A client WebSocket is open: the head of the server's answer.
  func websocketOpened(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead)

  /// A line of a child's standard output, without its end.
  func childLine(_ child: ConnectionID, tag: UInt64, _ line: RawSpan)
  /// A line of more bytes than it may have: first how it begins, then, once it has ended, how it ends.
  func childOverlong(_ child: ConnectionID, tag: UInt64, _ part: RawSpan, ended: Bool)
  /// A line of a child's standard error.
  func childLog(_ child: ConnectionID, tag: UInt64, _ line: RawSpan)
  /// What was left out of what a child said beside its messages.
  func childDropped(_ child: ConnectionID, tag: UInt64, _ loss: ChatterLoss)
  /// The child is gone, or could not be started (`error`).
  func childExited(_ child: ConnectionID, tag: UInt64, _ error: ReactorError, status: Int64, signal: Int32)

  func timer(_ token: UInt64)
}
