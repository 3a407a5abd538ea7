import Clusters
import Wire
import Workers

/// Collects what an upstream answers to one POST: a JSON body, or an event stream of messages. Taken from a worker's
/// stock and given back, so that the steady state allocates nothing.
public final class ResponseReader {
  public enum Mode {
    /// One JSON message.
    case json
    /// `text/event-stream`.
    case events
    /// Nothing that can be a message: an error status with another media type, or no body at all.
    case other
  }

  public var status = 0
  public var mode = Mode.json
  /// What has come of the message so far.
  public let collected = Scratch(capacity: 0)
  public let parser = SSEParser()
  /// The length that the head announced; 0 without one.
  public private(set) var announced = 0
  /// Set while a large result goes through.
  public var rewriter: ResponseRewriter?
  /// How much of it has gone through.
  public var passed = 0
  /// How much has to be there before it is looked at what the message is. Doubled when that was too early.
  public var nextLook = ResponseReader.passThreshold
  /// Results larger than this go through as they come instead of being collected.
  static let passThreshold = 128 << 10
  /// `Mcp-Session-Id` of the answer to `initialize`.
  public var httpSession: [UInt8] = []
  public var keepsHTTPSession = false
  /// It names two sessions.
  public private(set) var hasSeveralSessions = false
  /// The last event id and reconnection time of the stream, for resuming it.
  public var lastEventID: [UInt8] = []
  public var retry: UInt64?
  public var retryAfter: UInt64?
  /// Where a redirect leads.
  public private(set) var location: [UInt8] = []
  /// Of what is no message: what it is, and what it asks for.
  private var mediaType: [UInt8]?
  private var challenge: [UInt8]?
  /// The request, as long as it may have to be sent once more: because the upstream has ended the session that it names,
  /// or speaks another revision by now.
  private let request = Scratch(capacity: 0)
  /// Larger requests are not kept.
  private static let keptRequest = 1 << 20

  /// So many bytes of a call are kept without being counted for anybody.
  static let uncounted = 4 << 10
  /// What counts of that which it keeps, and for whom; set by `RequestMemory` alone.
  var cover = Cover()

  struct Cover {
    var party: Party?
    var bytes = 0
  }

  /// Bytes that it keeps.
  var size: Int { request.count + collected.count }
  /// More than counts.
  var isUncovered: Bool { size > max(cover.bytes, Self.uncounted) }

  func keep(_ message: RawSpan) {
    request.buffer.clear()
    if message.byteCount <= Self.keptRequest { request.buffer.append(message) }
  }

  /// A copy of the request; nil if it was too large or is not known.
  public var kept: [UInt8]? { request.buffer.isEmpty ? nil : request.bytes(of: self).array }

  /// It can't go out again.
  public func forgetRequest() { request.buffer.clear(keepingAtMost: 0) }

  public func reset() {
    request.buffer.clear(keepingAtMost: 64 << 10)
    status = 0
    mode = .json
    collected.buffer.clear(keepingAtMost: 64 << 10)
    parser.reset()
    if rewriter != nil { rewriter = nil }
    announced = 0
    passed = 0
    nextLook = Self.passThreshold
    if !httpSession.isEmpty { httpSession = [] }
    keepsHTTPSession = false
    hasSeveralSessions = false
    if !lastEventID.isEmpty { lastEventID = [] }
    retry = nil
    retryAfter = nil
    if !location.isEmpty { location = [] }
    if mediaType != nil { mediaType = nil }
    if challenge != nil { challenge = nil }
  }

  /// What it is, where it brings no message.
  public var refusal: HTTPRefusal {
    HTTPRefusal(
      status: status, mediaType: mediaType ?? (mode == .json ? Array("application/json".utf8) : nil),
      challenge: challenge,
      location: location)
  }

  /// What the message collected so far turns out to be, before its end.
  public func kindSoFar(_ scanner: EnvelopeScanner) -> Envelope.Kind { scanner.peek(collected.bytes(of: self)).kind }

  /// What the whole message is.
  public func kind(_ scanner: EnvelopeScanner) -> Envelope.Kind { scanner.scan(collected.bytes(of: self)).kind }

  /// A copy of what was collected.
  public var bytes: [UInt8] { collected.bytes(of: self).array }

  /// Keeps the id of the event that has just ended.
  public func noteEventID() {
    let parser = parser
    lastEventID = parser.id.array
  }

  public func begin(_ head: ResponseHead) {
    status = head.status
    announced = head.contentLength ?? 0
    if head.hasContentType("application/json") {
      mode = .json
    } else if head.hasContentType("text/event-stream") {
      mode = .events
    } else {
      mode = .other
    }
    if keepsHTTPSession, let id = head.header(.mcpSessionID) {
      httpSession = id.array
      hasSeveralSessions = head.isRepeated(.mcpSessionID) && head.hasOther(.mcpSessionID, than: id)
    }
    if status >= 300, status < 400, let location = head.header(.location) { self.location = location.array }
    if status != 200 && status != 202 || mode == .other && status != 202 {
      mediaType = head.header(.contentType)?.array
      challenge = head.header(.wwwAuthenticate)?.array
    }
    if let seconds = head.header(.retryAfter)?.decimal { retryAfter = min(seconds, 3600) * 1000 }
  }
}
