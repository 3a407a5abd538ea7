import CReactor
internal import Wire

/// Answers of the server side. Pieces are copied only if the kernel does not take them at once.
extension EventLoop {
  /// What an answer says before its body.
  public struct ReplyHead: ~Escapable {
    public var status: UInt16
    /// Ends the connection after this answer.
    public var close = false
    public var contentType: StaticString?
    /// Further header lines, each with its CRLF.
    public var headers: RawSpan

    @_lifetime(copy headers)
    public init(_ status: UInt16, _ contentType: StaticString? = nil, headers: RawSpan, close: Bool = false) {
      self.status = status
      self.contentType = contentType
      self.headers = headers
      self.close = close
    }
  }

  /// A whole answer, its body in up to three pieces.
  @discardableResult
  public func reply(
    _ connection: ConnectionID, _ head: borrowing ReplyHead, _ first: RawSpan, _ second: RawSpan = RawSpan(),
    _ third: RawSpan = RawSpan()
  ) -> WriteOutcome {
    let raw = unsafe raw
    return unsafe withPieces(first, second, third) { pieces, count in
      unsafe Self.withReply(head) { reply in
        unsafe reply.pointee.body = pieces
        unsafe reply.pointee.body_count = count
        return unsafe WriteOutcome(cr_http_reply(raw, connection.rawValue, reply))
      }
    }
  }

  /// Opens an answer of unknown length.
  @discardableResult
  public func beginStream(_ connection: ConnectionID, _ head: borrowing ReplyHead) -> WriteOutcome {
    unsafe Self.withReply(head) { unsafe WriteOutcome(cr_http_stream_begin(raw, connection.rawValue, $0)) }
  }

  /// One chunk of it, in up to three pieces; gathered with what else this turn writes on the connection, or at once, for
  /// what goes to many.
  @discardableResult
  public func writeStream(
    _ connection: ConnectionID, _ first: RawSpan, _ second: RawSpan = RawSpan(), _ third: RawSpan = RawSpan(),
    atOnce: Bool = false
  ) -> WriteOutcome {
    let raw = unsafe raw
    return unsafe withPieces(first, second, third) { pieces, count in
      unsafe WriteOutcome(
        cr_http_stream_write(raw, connection.rawValue, pieces, count, atOnce ? CR_AT_ONCE : CR_GATHERED))
    }
  }

  /// One chunk of it: `line`, then a frame that others may get too.
  @discardableResult
  public func writeStream(
    _ connection: ConnectionID, _ frame: Frame, after line: RawSpan = RawSpan(), atOnce: Bool = false
  ) -> WriteOutcome {
    unsafe line.withUnsafeBytes { line in
      unsafe WriteOutcome(
        cr_http_stream_write_frame(
          raw, connection.rawValue, cwire_span(line), frame.raw, atOnce ? CR_AT_ONCE : CR_GATHERED))
    }
  }

  @discardableResult
  public func endStream(_ connection: ConnectionID) -> WriteOutcome {
    unsafe WriteOutcome(cr_http_stream_end(raw, connection.rawValue))
  }

  /// Writes `frame` whenever nothing else was written for the interval.
  public func heartbeat(_ connection: ConnectionID, milliseconds: UInt32, _ frame: Frame) {
    unsafe cr_http_stream_heartbeat(raw, connection.rawValue, milliseconds, frame.raw)
  }

  /// Has every answer from now on be the last of its connection, and say so. An idle connection may send one more request
  /// for so long, as its client can't know; then it is closed.
  public func drainConnections(grace milliseconds: UInt32) { unsafe cr_http_drain(raw, milliseconds) }

  /// The number that the connection's listener was given.
  public func listenerLabel(of connection: ConnectionID) -> UInt32 {
    unsafe cr_connection_listener(raw, connection.rawValue)
  }

  /// Whether the peer is a proxy that is trusted. False for a stale id.
  public func isProxy(_ connection: ConnectionID) -> Bool {
    unsafe cr_connection_is_proxy(raw, connection.rawValue)
  }

  /// Who asks on a connection that was accepted: its peer, or whom a proxy that is trusted names. Nil for a stale one.
  public func clientAddress(of connection: ConnectionID) -> ClientAddress? {
    unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { bytes in
      guard unsafe cr_connection_client(raw, connection.rawValue, bytes.baseAddress) else { return nil }
      let words = UnsafeRawBufferPointer(bytes)
      return unsafe ClientAddress(
        high: UInt64(bigEndian: words.loadUnaligned(as: UInt64.self)),
        low: UInt64(bigEndian: words.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }
  }

  private static func withReply<Result>(
    _ head: borrowing ReplyHead, _ body: (UnsafeMutablePointer<cr_reply>) -> Result
  ) -> Result {
    var reply = unsafe cr_reply()
    unsafe reply.status = head.status
    unsafe reply.close = head.close
    if let type = head.contentType {
      unsafe reply.content_type = cwire_span(base: type.utf8Start, length: type.utf8CodeUnitCount)
    }
    return unsafe head.headers.withUnsafeBytes { headers in
      unsafe reply.headers = cwire_span(headers)
      return unsafe body(&reply)
    }
  }
}
