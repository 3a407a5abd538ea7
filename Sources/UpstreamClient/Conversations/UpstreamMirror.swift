import Clusters
import MCP
import Reactor
import Translation
import UpstreamRequests
import Wire
import Workers

/// What clients have settled in conversations with upstreams besides their calls: log levels and subscriptions. A
/// conversation that is opened anew gets them again: its server knows nothing of the one before.
public final class UpstreamMirror {
  private let requests: Requests
  private let streams: NotificationStreams

  init(_ requests: Requests, _ streams: NotificationStreams) {
    self.requests = requests
    self.streams = streams
  }

  /// How long an answer to one of these is waited for.
  private static var patience: UInt64 { 5000 }

  // MARK: Log levels

  /// A client set its log level: these conversations are told, and then it is answered.
  public func setLogLevel(in told: [(UpstreamSession, UpstreamSession.Open)], _ completion: @escaping () -> Void) {
    let countdown = Countdown(completion)
    for (session, open) in told where session.cluster.profile?.offer.capabilities.contains(.logging) == true {
      setLogLevel(session, open, countdown)
      streams.hear(session, open)
    }
    countdown.done()
  }

  private func setLogLevel(_ session: UpstreamSession, _ open: UpstreamSession.Open, _ countdown: Countdown) {
    guard open.revision.era == .legacy, let level = requests.delegate.logLevel(of: session) else { return }
    var params = ByteBuffer(capacity: 32)
    params.append("{\"level\":")
    params.append(quoted: level.label.bytes)
    params.append("}")
    tell(session, open, .loggingSetLevel, params.bytes, countdown)
  }

  /// A modern request wants to hear more of the upstream's logs than anyone did before: it is told first.
  func settleLogLevel(
    _ session: UpstreamSession, _ open: UpstreamSession.Open, _ completion: @escaping () -> Void
  ) {
    let countdown = Countdown(completion)
    if session.cluster.profile?.offer.capabilities.contains(.logging) == true {
      setLogLevel(session, open, countdown)
    }
    countdown.done()
  }

  // MARK: Subscriptions

  /// Somebody has subscribed to these elsewhere: this conversation is to bring them from now on.
  func subscribe(_ session: UpstreamSession, _ open: UpstreamSession.Open, to uris: [[UInt8]]) {
    for uri in uris { subscribe(session, open, .resourcesSubscribe, uri, Countdown {}) }
  }

  /// Nobody is subscribed to it any more.
  public func unsubscribe(_ session: UpstreamSession, _ open: UpstreamSession.Open, _ uri: [UInt8]) {
    subscribe(session, open, .resourcesUnsubscribe, uri, Countdown {})
  }

  private func subscribe(
    _ session: UpstreamSession, _ open: UpstreamSession.Open, _ method: Method, _ uri: [UInt8], _ countdown: Countdown
  ) {
    var params = ByteBuffer(capacity: uri.count + 16)
    params.append("{\"uri\":")
    params.append(quoted: uri.rawBytes)
    params.append("}")
    tell(session, open, method, params.bytes, countdown)
  }

  // MARK: All of it

  /// Settles in a conversation that was just opened what its clients have settled before.
  func restore(_ session: UpstreamSession, _ established: Opening.Established, _ completion: @escaping () -> Void) {
    let countdown = Countdown(completion)
    if established.offer?.capabilities.contains(.logging) == true { setLogLevel(session, established.open, countdown) }
    for uri in session.subscriptions { subscribe(session, established.open, .resourcesSubscribe, uri, countdown) }
    countdown.done()
  }

  private func tell(
    _ session: UpstreamSession, _ open: UpstreamSession.Open, _ method: Method, _ params: RawSpan,
    _ countdown: Countdown
  ) {
    countdown.add()
    let call = LocalCall { _ in countdown.done() }
    guard let request = requests.make(call, session.cluster, at: open.endpoint, method, timeout: Self.patience) else {
      return countdown.done()
    }
    var message = ByteBuffer(capacity: params.byteCount + 96)
    message.append(request: method, id: request.id.rawValue, params: params)
    requests.carry(request, message.bytes, open, session.cluster)
  }
}

/// Runs something once everything that it was told to wait for is done. It waits for its maker first.
private final class Countdown {
  private var left = 1
  private let completion: () -> Void

  init(_ completion: @escaping () -> Void) {
    self.completion = completion
  }

  func add() { left += 1 }

  func done() {
    left -= 1
    if left == 0 { completion() }
  }
}
