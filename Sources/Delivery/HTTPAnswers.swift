import MCP
import Reactor
import SessionStore
import Translation
import Wire
import Workers

/// Answers of one worker over HTTP, whole and begun. Where a page of another origin asks, they say what that may read (CORS);
/// the origin has been checked by then.
public final class HTTPAnswers {
  private let context: WorkerContext
  private let loop: EventLoop
  private let head: Scratch
  private let body: Scratch
  private let heartbeat: Frame
  private let tallies: Tallies
  /// Origins of the pages whose requests are being answered.
  private var pages: [ConnectionID: [UInt8]] = [:]

  /// Of streams of events.
  static let streamHeaders: StaticString = "Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"

  init(_ context: WorkerContext, _ heartbeat: Frame) {
    self.context = context
    loop = context.loop
    head = context.head
    body = context.body
    self.heartbeat = heartbeat
    tallies = context.tallies
  }

  /// Pages that wait for an answer.
  var pageCount: Int { pages.count }

  /// What is asked on that connection is asked by a page.
  public func expect(_ connection: ConnectionID, from origin: RawSpan) { pages[connection] = origin.array }

  @inline(__always)
  public func closed(_ connection: ConnectionID) {
    if !pages.isEmpty { pages[connection] = nil }
  }

  /// A whole answer.
  public func respond(
    _ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead, _ body: RawSpan,
    as tally: Tally = .sentStreamableHTTP
  ) {
    tallies.count(tally, body.byteCount)
    guard !pages.isEmpty, let lines = readableHeaders(connection, after: head.headers) else {
      loop.reply(connection, head, body)
      return
    }
    loop.reply(
      connection, EventLoop.ReplyHead(head.status, head.contentType, headers: lines.rawBytes, close: head.close), body)
  }

  /// The beginning of an answer that goes out in pieces.
  func begin(_ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead) {
    guard !pages.isEmpty, let lines = readableHeaders(connection, after: head.headers) else {
      loop.beginStream(connection, head)
      return
    }
    loop.beginStream(
      connection, EventLoop.ReplyHead(head.status, head.contentType, headers: lines.rawBytes, close: head.close))
  }

  /// The beginning of a stream of events.
  func beginEvents(_ connection: ConnectionID) {
    begin(connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Self.streamHeaders.bytes))
    loop.heartbeat(connection, milliseconds: context.settings.heartbeat, heartbeat)
  }

  /// No heartbeat any more: it must not get between the pieces of a large event.
  func endHeartbeat(_ connection: ConnectionID) { loop.heartbeat(connection, milliseconds: 0, heartbeat) }

  /// A piece of what was begun, in up to three parts; at once, for what goes to many. Whatever is said over HTTP goes through
  /// this, the one below, `respond` or `begin`.
  @inline(__always)
  @discardableResult
  public func write(
    _ first: RawSpan, _ second: RawSpan = RawSpan(), _ third: RawSpan = RawSpan(), to connection: ConnectionID,
    atOnce: Bool = false, as tally: Tally = .sentStreamableHTTP
  ) -> WriteOutcome {
    tallies.count(tally, first.byteCount + second.byteCount + third.byteCount)
    return loop.writeStream(connection, first, second, third, atOnce: atOnce)
  }

  /// `line`, then a frame that others may get too.
  @inline(__always)
  @discardableResult
  func write(
    _ frame: Frame, after line: RawSpan = RawSpan(), to connection: ConnectionID, atOnce: Bool = false,
    as tally: Tally = .sentStreamableHTTP
  ) -> WriteOutcome {
    tallies.count(tally, frame.count + line.byteCount)
    return loop.writeStream(connection, frame, after: line, atOnce: atOnce)
  }

  /// Proxies hold the head of an answer back until something of its body comes.
  public func writeFirstByte(_ connection: ConnectionID) { write(heartbeat, to: connection) }

  /// When to connect again, without an event.
  public func writeRetry(_ connection: ConnectionID, _ milliseconds: UInt64) {
    var retry = ByteBuffer(capacity: 24)
    retry.append(retry: milliseconds)
    retry.append("\n")
    write(retry.bytes, to: connection)
  }

  /// An error.
  /// - Parameter id: under which it is answered, a raw token; nil: null.
  public func refuse(
    _ connection: ConnectionID, _ error: GatewayError, id: RawSpan?, _ era: Era, as tally: Tally = .sentStreamableHTTP
  ) {
    let answer = error.answer(to: era)
    body.clear()
    body.buffer.append(error, id: id, to: era)
    head.buffer.clear()
    if let seconds = answer.retryAfter {
      head.buffer.append("Retry-After: ")
      head.buffer.append(decimal: seconds)
      head.buffer.append("\r\n")
    }
    if let allow = answer.allow {
      head.buffer.append("Allow: ")
      head.buffer.append(allow)
      head.buffer.append("\r\n")
    }
    respond(
      connection, EventLoop.ReplyHead(UInt16(answer.status), "application/json", headers: head.bytes(of: self)),
      body.bytes(of: self), as: tally)
  }

  /// 202 without a body: a notification or a response was taken.
  public func accept(_ connection: ConnectionID) {
    respond(connection, EventLoop.ReplyHead(202, headers: RawSpan()), RawSpan())
  }

  /// Header lines with those that let a page read the answer; nil if no page asked.
  private func readableHeaders(_ connection: ConnectionID, after headers: RawSpan) -> [UInt8]? {
    guard let origin = pages.removeValue(forKey: connection) else { return nil }
    var lines = ByteBuffer(capacity: 256)
    lines.append(headers)
    lines.append("Access-Control-Allow-Origin: ")
    lines.append(origin)
    lines.append(
      "\r\nVary: Origin\r\nAccess-Control-Expose-Headers: mcp-session-id, www-authenticate, mcp-protocol-version\r\n")
    return lines.bytes.array
  }
}
