import CReactor

extension EventLoop {
  /// Starts to connect; a request may be sent at once and waits inside. Failure comes by `upstreamClosed`, later.
  /// nil if this loop holds as many connections as it may.
  public func connect(_ endpoint: Endpoint, tag: UInt64) -> ConnectionID? {
    let raw = unsafe raw
    let id = unsafe endpoint.withRaw { unsafe cr_http_connect(raw, &$0, tag) }
    return id == 0 ? nil : ConnectionID(rawValue: id)
  }

  /// One whole request in up to three pieces; `.stale` while an answer is outstanding.
  @discardableResult
  public func send(
    _ connection: ConnectionID, _ first: RawSpan, _ second: RawSpan = RawSpan(), _ third: RawSpan = RawSpan()
  ) -> WriteOutcome {
    let raw = unsafe raw
    return unsafe withPieces(first, second, third) { pieces, count in
      unsafe WriteOutcome(cr_http_send(raw, connection.rawValue, pieces, count, false))
    }
  }
}
