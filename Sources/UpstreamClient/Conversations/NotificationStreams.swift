import Clusters
import Links
import MCP
import Reactor
import UpstreamRequests
import Wire
import Workers

/// What the streams of conversations leave to who opens those.
protocol NotificationStreamsDelegate: AnyObject {
  /// True if a conversation is over because its endpoint is of no use, and another is.
  func leave(_ open: UpstreamSession.Open, of session: UpstreamSession) -> Bool
  /// A request that waited for a stream goes on, with it or without.
  func resume(_ request: RequestID, failure: Unopened?)
  /// A conversation was lost with its stream, and somebody listens.
  func reopen(_ session: UpstreamSession)
}

/// The GET streams of legacy upstream sessions, on which servers ask and tell what belongs to no call. A session has its
/// stream before the first call goes out; one that broke is opened again when somebody listens, or by the next call, but
/// not before the server wants it where it has said so. To the gateway's own sessions the control loop listens.
public final class NotificationStreams {
  private let context: WorkerContext
  private let loop: EventLoop
  private let requests: Requests
  private let streams: EventStreams
  private unowned(unsafe) var listener: (any NotificationStreamsDelegate)?
  private var delegate: any NotificationStreamsDelegate { unsafe listener! }

  init(_ requests: Requests, _ streams: EventStreams) {
    context = requests.context
    loop = requests.loop
    self.requests = requests
    self.streams = streams
  }

  func connect(to delegate: any NotificationStreamsDelegate) { unsafe listener = delegate }

  /// How long a server may take to begin a stream, in milliseconds.
  public static var headTime: UInt64 { 2000 }
  /// That of one which takes longer: so that the request for its stream reaches it before the call does.
  private static var headStart: UInt64 { 100 }
  /// What lasted as long was of use, whether it brought anything or not.
  private static var steadyTime: UInt64 { 1000 }

  /// Opens the stream of a session that the server has just given. `completion` is called when the server has begun it,
  /// has refused it, or takes too long.
  func openFirst(
    of session: UpstreamSession, _ open: UpstreamSession.Open, _ completion: @escaping () -> Void
  ) {
    let opens = open.http != nil && !session.isFollowed && session.cluster.streams != .none
    session.begun(open, opens: opens)
    guard opens else { return completion() }
    openStream(of: session, open, after: [], completion)
  }

  /// Makes sure that a conversation has its stream, if it can have one. False if that takes a while: `waiter` will be
  /// resumed.
  @discardableResult
  func hear(
    _ session: UpstreamSession, _ open: UpstreamSession.Open, for waiter: RequestID? = nil
  ) -> Bool {
    switch session.hear(open, waiter) {
    case .settled:
      return true
    case .waiting:
      return false
    case .yours:
      openStream(of: session, open, after: session.lastEventID)
      return false
    }
  }

  private func openStream(
    of session: UpstreamSession, _ open: UpstreamSession.Open, after lastEventID: [UInt8],
    _ completion: (() -> Void)? = nil
  ) {
    let stream = UpstreamStream(session.cluster, .notifications, session: session, open: open)
    stream.lastEventID = lastEventID
    let opening = LocalOpening { [unowned self] in
      settle(session, open)
      completion?()
    }
    stream.settled = { [unowned self, unowned stream] in
      stream.acceptedAt = loop.now
      session.cluster.note(.given)
      opening.complete()
    }
    stream.ended = { [unowned self, unowned stream] status in
      opening.complete()
      streamEnded(stream, of: session, open, status: status)
    }
    let moved = { [unowned self] (connection: ConnectionID) in
      open.http?.streamMoved(to: connection)
      // Whoever ended the session meanwhile did not know of it.
      if !session.isCurrent(open) { streams.close(streamOf: open) }
    }
    stream.moved = moved
    guard let connection = streams.open(stream) else { return stream.end(status: 0) }
    moved(connection)
    guard session.isCurrent(open) else { return }
    let isSlow = session.cluster.streams == .slow
    context.timers.after(milliseconds: isSlow ? Self.headStart : Self.headTime) {
      guard !opening.isComplete else { return }
      session.cluster.note(.slow)
      opening.complete()
    }
  }

  /// Who waited for the stream goes on, with it or without.
  private func settle(_ session: UpstreamSession, _ open: UpstreamSession.Open) {
    for waiter in session.heard(open) {
      if waiter.worker == context.index {
        delegate.resume(waiter, failure: nil)
      } else {
        requests.links.mail.send(.resume(waiter, failure: nil), to: waiter.worker)
      }
    }
  }

  private func streamEnded(
    _ stream: UpstreamStream, of session: UpstreamSession, _ open: UpstreamSession.Open, status: Int
  ) {
    let wasOfUse = stream.hasSpoken || stream.acceptedAt.map { loop.now >= $0 + Self.steadyTime } ?? false
    let end = NotificationStreamState.End(
      status: status, wasAccepted: stream.accepted, wasOfUse: wasOfUse, lastEventID: stream.lastEventID,
      retry: stream.retry)
    switch session.unheard(open, end) {
    case nil:
      break
    case .giveUp:
      session.cluster.noteRefusal(status)
    case .sessionLost:
      // What was settled in it is settled again in a new one.
      if session.lost(open), requests.delegate.isHeard(session) { delegate.reopen(session) }
    case .again(let delay):
      context.timers.after(milliseconds: delay) { [unowned self] in
        if delegate.leave(open, of: session) {
          if requests.delegate.isHeard(session) { delegate.reopen(session) }
          return
        }
        guard requests.delegate.isHeard(session) else { return session.rested(open) }
        guard let lastEventID = session.hearAgain(open) else { return }
        openStream(of: session, open, after: lastEventID)
      }
    }
  }
}

/// What waits until a stream has begun, was refused or takes too long; whichever comes first.
public final class LocalOpening {
  private var completion: (() -> Void)?

  public init(_ completion: @escaping () -> Void) {
    self.completion = completion
  }

  public var isComplete: Bool { completion == nil }

  public func complete() {
    let completion = completion
    self.completion = nil
    completion?()
  }
}
