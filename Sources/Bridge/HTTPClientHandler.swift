import Reactor
import Wire

/// A handler of a loop that has no listener, no WebSocket and no child: it hears of its own requests alone.
protocol HTTPClientHandler: LoopHandler {}

extension HTTPClientHandler {
  public func request(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {}
  public func peerEnded(_ connection: ConnectionID, tag: UInt64) {}
  public func closed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError) {}
  public func upstreamGone(_ connection: ConnectionID) {}
  public func drained(_ connection: ConnectionID, tag: UInt64) {}
  public func websocketMessage(_ connection: ConnectionID, tag: UInt64, _ message: RawSpan, binary: Bool) {}
  public func websocketOpened(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {}
  public func childLine(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {}
  public func childOverlong(_ child: ConnectionID, tag: UInt64, _ part: RawSpan, ended: Bool) {}
  public func childLog(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {}
  public func childDropped(_ child: ConnectionID, tag: UInt64, _ loss: ChatterLoss) {}
  public func childExited(
    _ child: ConnectionID, tag: UInt64, _ error: ReactorError, status: Int64, signal: Int32
  ) {}
}

extension Loss {
  /// - Parameter sent: some of the request has left, so that somebody was there.
  init(_ error: ReactorError, sent: Bool) {
    let text = error.description
    self =
      switch error.speaker {
      case .tls: Loss(.untrusted, text)
      case .http: Loss(.malformed, text)
      case .system, .reactor: Loss(sent || error.isPeerClosed ? .broken : .absent, text)
      case .resolver: Loss(.absent, "the host is not known: \(text)")
      case .webSocket: Loss(.broken, text)
      }
  }
}
