import MCP
import Synchronization
import Workers

/// A conversation of the gateway with one upstream, on behalf of everybody, of a principal or of one client session,
/// as the upstream's `isolation` has it. Opened lazily, by the first worker that needs it; the others wait.
public final class UpstreamSession: Sendable {
  /// What an open conversation is.
  public struct Open: Sendable {
    public var revision: Revision
    /// On Streamable HTTP; nil if the server runs without sessions.
    public var http: HTTPSession?
    /// The worker's link that carries it, for children and HTTP+SSE.
    public var link: LinkReference?
    /// The endpoint that it is open with, among those of its cluster.
    public let endpoint: Int

    /// - Parameter httpSession: the `Mcp-Session-Id`; empty without one.
    public init(revision: Revision, httpSession: [UInt8], link: LinkReference?, endpoint: Int = 0) {
      self.revision = revision
      http = httpSession.isEmpty ? nil : HTTPSession(httpSession)
      self.link = link
      self.endpoint = endpoint
    }
  }

  public enum Access {
    case open(Open)
    /// It is open, but its stream is not: a call is to wait for that.
    case unheard(Open)
    /// Somebody else opens it: the waiter will be called.
    case waiting
    /// The caller opens it, and then calls `opened` or `failed`.
    case yours
    /// The client session whose it was has ended.
    case closed
  }

  private enum State {
    case idle
    /// With the session, once the server has given one.
    case opening([RequestID], Open?)
    case open(Open)
    case closed
  }

  private struct Conversation {
    var state = State.idle
    var abilities: ClientCapabilities
    var stream = NotificationStreamState()
    /// Who subscribed to which of the upstream's own URIs, and whether the client knows it under a marked one.
    var subscribers: [[UInt8]: [SessionID: Bool]] = [:]
    /// The lowest level from which on modern requests have asked for logs.
    var requestedLevel: LogLevel?
    var asked = AskedElicitations()
    /// Those who share it.
    var callers = RecentCallers()

    mutating func takeOpen() -> Open? {
      guard case .open(let open) = state else { return nil }
      state = .idle
      return open
    }

    /// Whether it is the session that is open, or is being opened.
    func isCurrent(_ seen: Open) -> Bool {
      switch state {
      case .open(let open), .opening(_, let open?): open.isSame(as: seen)
      case .idle, .closed, .opening: false
      }
    }

    func isOpen(as seen: Open) -> Bool {
      guard case .open(let open) = state else { return false }
      return open.isSame(as: seen)
    }
  }

  public let cluster: Cluster
  /// The endpoint that it is with, whenever it opens; nil: chosen when it does.
  public let endpoint: Int?
  /// The client session it belongs to, with `isolation: session`. Its name alone: a weak reference would make every
  /// retain of the session take the slow way.
  public let owner: SessionID?
  /// The control loop listens to what it says outside of calls.
  public var isFollowed: Bool {
    get { followed.load(ordering: .relaxed) }
    set { followed.store(newValue, ordering: .relaxed) }
  }
  private let followed: Atomic<Bool>
  /// Its lists, where a client has it to itself.
  public let ownLists = OwnLists()
  private let conversation: Mutex<Conversation>

  public init(
    cluster: Cluster, endpoint: Int? = nil, owner: SessionID?, abilities: ClientCapabilities, isFollowed: Bool = false
  ) {
    self.cluster = cluster
    self.endpoint = endpoint
    self.owner = owner
    followed = Atomic(isFollowed)
    conversation = Mutex(Conversation(abilities: abilities.intersection(.relayable)))
  }

  /// What is declared to the upstream: a client's capabilities, within what the gateway relays.
  public var abilities: ClientCapabilities { conversation.withLock { $0.abilities } }

  /// Its client can do other things from now on. What was open and says otherwise is to be ended; the next caller opens
  /// a new one.
  public func declare(_ abilities: ClientCapabilities) -> Open? {
    conversation.withLock { conversation in
      let relayed = abilities.intersection(.relayable)
      guard conversation.abilities != relayed else { return nil }
      conversation.abilities = relayed
      return conversation.takeOpen()
    }
  }

  /// The conversation if it is open; else the caller waits or is asked to open it.
  /// - Parameter caller: whose call it is, of those who share it.
  public func access(_ waiter: RequestID, of caller: SessionID? = nil) -> Access {
    conversation.withLock { conversation in
      if let caller { conversation.callers.note(caller) }
      switch conversation.state {
      case .open(let open): return conversation.stream.isAwaited ? .unheard(open) : .open(open)
      case .opening(var waiters, let open):
        waiters.append(waiter)
        conversation.state = .opening(waiters, open)
        return .waiting
      case .idle:
        conversation.state = .opening([waiter], nil)
        return .yours
      case .closed:
        return .closed
      }
    }
  }

  /// What is open has turned out to be this.
  public func settled(_ open: Open) {
    conversation.withLock { if $0.isOpen(as: open) { $0.state = .open(open) } }
  }

  /// Whether it is the session that is open, or is being opened.
  public func isCurrent(_ seen: Open) -> Bool { conversation.withLock { $0.isCurrent(seen) } }

  /// Somebody is opening it.
  public var isOpening: Bool {
    conversation.withLock { if case .opening = $0.state { true } else { false } }
  }

  public var current: Open? {
    conversation.withLock { if case .open(let open) = $0.state { open } else { nil } }
  }

  /// It is open: the waiters may go on. nil if nobody needs it any more, and it is to be ended.
  public func opened(_ open: Open) -> [RequestID]? {
    finish(.open(open))
  }

  /// It could not be opened: the waiters get the error, and the next caller tries again.
  public func failed() -> [RequestID] {
    finish(.idle) ?? []
  }

  /// The upstream ended it (404, a dead child): the next caller opens a new one. Only if it still is the one that
  /// the caller saw. True for the first who says so.
  public func lost(_ seen: Open) -> Bool {
    conversation.withLock { conversation in
      guard conversation.isOpen(as: seen) else { return false }
      conversation.state = .idle
      return true
    }
  }

  /// It is being ended, and who needs it meanwhile waits until that is done, which `failed` says. Only if it still is the one
  /// that the caller saw.
  public func suspend(_ seen: Open) -> Bool {
    conversation.withLock { conversation in
      guard conversation.isOpen(as: seen) else { return false }
      conversation.state = .opening([], nil)
      return true
    }
  }

  /// It is of no use any more though nobody has noticed: what was open is to be ended, the next caller opens a new one.
  public func takeOpen() -> Open? {
    conversation.withLock { $0.takeOpen() }
  }

  /// Nobody needs it any more. What was open is to be ended.
  public func close() -> Open? {
    conversation.withLock { conversation in
      defer {
        conversation.state = .closed
        conversation.subscribers = [:]
      }
      if case .open(let open) = conversation.state { return open }
      return nil
    }
  }

  private func finish(_ next: State) -> [RequestID]? {
    conversation.withLock { conversation in
      guard case .opening(let waiters, let begun) = conversation.state else { return nil }
      conversation.state = next
      if case .open(let open) = next, begun?.isSame(as: open) != true { conversation.stream.begin(opens: false) }
      return waiters
    }
  }

  // MARK: Its stream

  /// The server has given a session: before it counts as open the caller opens a stream for it, if it `opens` one.
  public func begun(_ open: Open, opens: Bool) {
    conversation.withLock { conversation in
      guard case .opening(let waiters, _) = conversation.state else { return }
      conversation.state = .opening(waiters, open)
      conversation.stream.begin(opens: opens)
    }
  }

  /// Asks for the stream of the conversation that the caller saw.
  public func hear(_ seen: Open, _ waiter: RequestID?) -> NotificationStreamState.Hearing {
    conversation.withLock { $0.isCurrent(seen) ? $0.stream.want(waiter) : .settled }
  }

  /// It is time to open a stream that broke again. Where to take it up; nil if that is done or of no use.
  public func hearAgain(_ seen: Open) -> [UInt8]? {
    conversation.withLock { conversation in
      guard conversation.isCurrent(seen), conversation.stream.again() else { return nil }
      return conversation.stream.lastEventID
    }
  }

  /// It is time to, and nobody listens.
  public func rested(_ seen: Open) {
    conversation.withLock { if $0.isCurrent(seen) { $0.stream.rested() } }
  }

  /// Where to take up the stream that the caller opens.
  public var lastEventID: [UInt8] { conversation.withLock { $0.stream.lastEventID } }

  /// The stream is there, or no longer waited for.
  public func heard(_ seen: Open) -> [RequestID] {
    conversation.withLock { $0.isCurrent(seen) ? $0.stream.settle() : [] }
  }

  /// The stream has ended, or was refused. nil if the session is over too.
  public func unheard(_ seen: Open, _ end: NotificationStreamState.End) -> NotificationStreamState.Action? {
    conversation.withLock { $0.isCurrent(seen) ? $0.stream.ended(end) : nil }
  }

  // MARK: Logs

  /// The sessions that have called last, of those who share it.
  public var callers: RecentCallers { conversation.withLock { $0.callers } }

  public var requestedLevel: LogLevel? { conversation.withLock { $0.requestedLevel } }

  /// A modern request wants to hear of logs from this level on. True if no earlier one wanted as much.
  public func lowerLogLevel(to level: LogLevel) -> Bool {
    conversation.withLock { conversation in
      if let known = conversation.requestedLevel, known <= level { return false }
      conversation.requestedLevel = level
      return true
    }
  }

  // MARK: Questions

  /// The upstream has sent a client to a URL.
  public func asked(_ elicitation: [UInt8], _ session: SessionID, now: UInt64) {
    conversation.withLock { $0.asked.note(elicitation, of: session, now: now) }
  }

  /// The session that was asked under that id.
  public func session(asked elicitation: [UInt8], now: UInt64) -> SessionID? {
    conversation.withLock { $0.asked.session(asked: elicitation, now: now) }
  }

  // MARK: Subscriptions

  /// URIs that somebody subscribed to.
  public var subscriptions: [[UInt8]] { conversation.withLock { Array($0.subscribers.keys) } }

  /// Whether somebody subscribed to it.
  public func isSubscribed(_ uri: [UInt8]) -> Bool { conversation.withLock { $0.subscribers[uri] != nil } }

  func isSubscribed(_ uri: [UInt8], _ session: SessionID) -> Bool {
    conversation.withLock { $0.subscribers[uri]?[session] != nil }
  }

  public func subscribe(_ uri: [UInt8], _ session: SessionID, isMarked: Bool) {
    conversation.withLock { conversation in
      if case .closed = conversation.state { return }
      conversation.subscribers[uri, default: [:]][session] = isMarked
    }
  }

  /// Takes over who subscribed to what in a conversation with the server as it was before it changed.
  public func inherit(from former: UpstreamSession) {
    let inherited = former.conversation.withLock { ($0.subscribers, $0.requestedLevel, $0.asked) }
    conversation.withLock { conversation in
      conversation.subscribers = inherited.0
      conversation.requestedLevel = inherited.1
      conversation.asked = inherited.2
    }
  }

  /// True if nobody else is subscribed, so that the upstream is to be told.
  public func unsubscribe(_ uri: [UInt8], _ session: SessionID) -> Bool {
    conversation.withLock { conversation in
      conversation.subscribers[uri]?[session] = nil
      guard conversation.subscribers[uri]?.isEmpty != false else { return false }
      conversation.subscribers[uri] = nil
      return true
    }
  }

  /// A session is gone that may have subscribed to these. Those of them that nobody is subscribed to any more.
  public func forget(_ session: SessionID, _ uris: some Sequence<[UInt8]>) -> [[UInt8]] {
    uris.filter { isSubscribed($0, session) && unsubscribe($0, session) }
  }

  /// Who subscribed to a URI, or to what it lies below, of which an update may tell as well (MCP schema:
  /// `ResourceUpdatedNotification`), and how each named it.
  public func subscribers(of uri: [UInt8]) -> [SessionID: NamedResource] {
    conversation.withLock { conversation in
      conversation.subscribers.reduce(into: [:]) { found, entry in
        guard Self.covers(entry.key, uri) else { return }
        let isItself = entry.key == uri
        for (session, isMarked) in entry.value {
          var named = found[session] ?? NamedResource(isItself: false, isMarked: false)
          named.isItself = named.isItself || isItself
          named.isMarked = named.isMarked || isMarked
          found[session] = named
        }
      }
    }
  }

  /// Whether a subscription to `parent` is one to `uri` too.
  public static func covers(_ parent: [UInt8], _ uri: [UInt8]) -> Bool {
    if uri == parent { return true }
    guard uri.count > parent.count, uri.starts(with: parent) else { return false }
    return parent.last == UInt8(ascii: "/") || uri[parent.count] == UInt8(ascii: "/")
  }
}

extension UpstreamSession.Open {
  /// Whether it is the same conversation, not one that was opened after it. Servers may call that one by the same name: each
  /// endpoint of several that count their sessions, and one that counts anew since it was started again.
  public func isSame(as other: Self) -> Bool { endpoint == other.endpoint && http === other.http && link == other.link }
}
