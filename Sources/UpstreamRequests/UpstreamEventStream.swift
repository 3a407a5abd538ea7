import Clusters
import ConfigurationSyntax
import Links
import Reactor
import Wire
import Workers

/// A stream that an upstream keeps open toward us beside the calls: the GET stream of a legacy session, a modern
/// `subscriptions/listen`, or the one stream of HTTP+SSE.
public final class UpstreamStream {
  public enum Role {
    /// GET of a legacy session, or a listen.
    case notifications
    /// HTTP+SSE: responses come here too.
    case link(Link)
  }

  public let cluster: Cluster
  let role: Role
  /// The conversation that it belongs to; nil for a listen.
  public let session: UpstreamSession?
  public let open: UpstreamSession.Open?
  let parser = SSEParser()
  /// Where redirects have led it to; nil for where the server is.
  private(set) var target: String?
  private var redirects = 0
  /// Why a redirect was not followed.
  public private(set) var refusal: String?
  var buffer = ByteBuffer()
  /// The event that is coming in is too large and left out.
  var isSkipping = false
  public var accepted = false
  /// What the server answered instead of taking it.
  public var unfit: HTTPRefusal?
  /// When, and whether anything came on it since.
  public var acceptedAt: UInt64?
  public var hasSpoken = false
  /// The id of the last event and the reconnection time that the server named, for taking the stream up again.
  public var lastEventID: [UInt8] = []
  public var retry: UInt64?
  /// Called when it goes on over another connection.
  public var moved: ((ConnectionID) -> Void)?
  /// Called when the server has taken the request.
  public var settled: (() -> Void)?
  /// Called once when the stream has ended or was refused, with the HTTP status if there was one.
  public var ended: ((Int) -> Void)?

  public init(_ cluster: Cluster, _ role: Role, session: UpstreamSession?, open: UpstreamSession.Open?) {
    self.cluster = cluster
    self.role = role
    self.session = session
    self.open = open
  }

  /// The endpoint that it comes from.
  var endpoint: UpstreamEndpoint {
    if case .link(let link) = role { return link.endpoint }
    return cluster.endpoint(open?.endpoint ?? 0)
  }

  /// Where a redirect leads it to; nil if the answer is none that is followed.
  fileprivate func redirected(_ head: ResponseHead) -> String? {
    guard var url = endpoint.currentURL else { return nil }
    if let target { url.target = target }
    switch Redirect.of(
      status: head.status, location: head.header(.location)?.text ?? "", from: url, followed: redirects)
    {
    case .follow(let target):
      redirects += 1
      self.target = target
      return target
    case .refuse(let why):
      refusal = why
      return nil
    case nil:
      return nil
    }
  }

  public func end(status: Int) {
    let ended = ended
    self.ended = nil
    ended?(status)
  }
}

/// What is said on event streams.
public protocol EventStreamDelegate: AnyObject {
  func said(_ message: RawSpan, on stream: UpstreamStream)
}

/// The event streams of upstreams that one worker reads.
public final class EventStreams {
  let context: WorkerContext
  private let loop: EventLoop
  private let head: Scratch
  private let requests: Requests
  private unowned(unsafe) let listener: any EventStreamDelegate
  private var streams: [ConnectionID: UpstreamStream] = [:]

  public init(_ requests: Requests, _ delegate: any EventStreamDelegate) {
    context = requests.context
    loop = requests.loop
    head = requests.head
    self.requests = requests
    unsafe listener = delegate
  }

  private var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }

  var count: Int { streams.count }

  // MARK: Opening

  /// Asks for a stream that tells what belongs to no call: by GET, in a legacy session.
  @discardableResult
  public func open(_ stream: UpstreamStream) -> ConnectionID? {
    guard let open = stream.open else { return nil }
    head.buffer.clear()
    head.buffer.append(stream.endpoint.head("GET", target: stream.target, accept: "text/event-stream"))
    requests.appendSession(open)
    let lastEventID = stream.lastEventID
    if !lastEventID.isEmpty { head.buffer.append(header: .lastEventID, lastEventID.rawBytes) }
    head.buffer.appendHeadEnd()
    return ask(for: stream, head: headBytes)
  }

  /// Opens the stream of an HTTP+SSE server, which carries a link.
  public func openLink(_ session: UpstreamSession, _ endpoint: UpstreamEndpoint) -> (Link, UpstreamStream)? {
    let link = requests.links.make(session, endpoint) { _ in
      guard let address = endpoint.address,
        let connection = loop.connect(address, tag: TagKind.upstreamStream.tag())
      else { return nil }
      loop.send(connection, Self.linkHead(endpoint).rawBytes)
      return .eventStream(connection)
    }
    guard let link, case .eventStream(let connection) = link.medium else { return nil }
    let stream = UpstreamStream(session.cluster, .link(link), session: session, open: nil)
    streams[connection] = stream
    return (link, stream)
  }

  private func ask(for stream: UpstreamStream, head: RawSpan) -> ConnectionID? {
    guard let address = stream.endpoint.address,
      let connection = loop.connect(address, tag: TagKind.upstreamStream.tag())
    else { return nil }
    streams[connection] = stream
    loop.send(connection, head)
    return connection
  }

  private static func linkHead(_ endpoint: UpstreamEndpoint, target: String? = nil) -> [UInt8] {
    endpoint.head("GET", target: target, accept: "text/event-stream") + Array("\r\n".utf8)
  }

  // MARK: Reading

  public func began(_ connection: ConnectionID, _ head: ResponseHead) {
    guard let stream = streams[connection] else { return loop.abort(connection) }
    if head.status == 200, head.hasContentType("text/event-stream") {
      stream.accepted = true
      stream.settled?()
    } else if stream.redirected(head) != nil {
      follow(stream, from: connection)
    } else {
      stream.unfit = stream.cluster.refusal(head)
      end(connection, status: head.status)
      loop.abort(connection)
    }
  }

  /// Asks for the stream where it is by now.
  private func follow(_ stream: UpstreamStream, from connection: ConnectionID) {
    streams[connection] = nil
    loop.abort(connection)
    let moved: ConnectionID?
    switch stream.role {
    case .notifications:
      moved = open(stream)
    case .link(let link):
      moved = ask(for: stream, head: Self.linkHead(stream.endpoint, target: stream.target).rawBytes)
      if let moved { link.medium = .eventStream(moved) }
    }
    guard let moved else {
      if case .link(let link) = stream.role { link.died("has moved, and there are too many connections open") }
      return stream.end(status: 0)
    }
    stream.moved?(moved)
  }

  public func piece(_ connection: ConnectionID, _ piece: RawSpan, last: Bool) {
    guard let stream = streams[connection] else { return }
    var offset = 0
    reading: while streams[connection] === stream {
      switch stream.parser.next(piece, at: &offset) {
      case .more: break reading
      case .comment: continue
      case .data(let place, let newline):
        if stream.isSkipping { continue }
        guard stream.buffer.count + place.length < context.settings.resultLimit else {
          if skipEvent(stream, piece[place]) { continue }
          loop.abort(connection)
          return end(connection, status: 0)
        }
        if newline { stream.buffer.append(byte: 0x0A) }
        stream.buffer.append(piece[place])
      case .end(let end):
        if end.hasID {
          let parser = stream.parser
          stream.lastEventID = parser.id.array
        }
        if let retry = end.retry { stream.retry = UInt64(clamping: retry) }
        var message = ByteBuffer()
        swap(&message, &stream.buffer)
        let wasSkipped = stream.isSkipping
        stream.isSkipping = false
        if end.hasData, !end.isEmpty, !wasSkipped {
          stream.hasSpoken = true
          received(message.bytes, stream)
        }
        message.clear(keepingAtMost: 64 << 10)
        swap(&message, &stream.buffer)
      }
    }
    if last {
      loop.abort(connection)
      end(connection, status: 200)
    }
  }

  /// An event is larger than a message may be. True if it is known whose it is: then the stream can go on without it.
  private func skipEvent(_ stream: UpstreamStream, _ piece: RawSpan) -> Bool {
    guard case .link(let link) = stream.role else { return false }
    if stream.buffer.isEmpty { stream.buffer.append(piece.extracting(first: min(piece.byteCount, 4096))) }
    stream.isSkipping = link.overlong(
      stream.buffer.bytes.extracting(first: min(stream.buffer.count, 4096)), ended: false)
    stream.buffer.clear(keepingAtMost: 64 << 10)
    return stream.isSkipping
  }

  private func received(_ message: RawSpan, _ stream: UpstreamStream) {
    guard case .link(let link) = stream.role else { return unsafe listener.said(message, on: stream) }
    let parser = stream.parser
    if parser.type.equals("endpoint") { return link.endpointKnown(message, at: stream.target) }
    link.received(message)
  }

  // MARK: The end

  public func end(_ connection: ConnectionID, status: Int) {
    guard let stream = streams.removeValue(forKey: connection) else { return }
    switch stream.role {
    case .link(let link):
      link.died("closed its event stream")
    case .notifications:
      if let refusal = stream.refusal {
        let alias = stream.cluster.alias
        context.logger.warning(
          "\(alias) tells nothing outside of calls: \(refusal)", metadata: ["server": "\(alias)"])
      }
    }
    stream.end(status: status)
  }

  /// Closes the stream of a session that is over.
  public func close(streamOf open: UpstreamSession.Open) {
    guard let connection = open.http?.takeStream() else { return }
    if connection.worker == context.index { return close(connection) }
    requests.links.mail.send(.closeStream(connection), to: connection.worker)
  }

  public func close(_ connection: ConnectionID) {
    if streams.removeValue(forKey: connection) != nil { loop.abort(connection) }
  }

  /// It belonged to a link that is gone.
  public func forget(_ connection: ConnectionID) { streams[connection] = nil }

  /// The same where nobody is to hear of its end.
  public func drop(_ connection: ConnectionID) {
    streams[connection]?.ended = nil
    loop.abort(connection)
    streams[connection] = nil
  }

  /// Closes those that tell what belongs to no call of a cluster that is left.
  public func leave(_ cluster: Cluster) {
    for (connection, stream) in streams where stream.cluster === cluster {
      guard case .notifications = stream.role else { continue }
      close(connection)
    }
  }
}
