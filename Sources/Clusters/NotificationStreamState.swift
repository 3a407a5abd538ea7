import Upstream

/// The GET stream of one legacy upstream session: whether it is there, who waits for it, and what is done when it ends.
/// What a server asks or tells outside of calls comes on it and is lost without one, so a call waits until it is open.
public struct NotificationStreamState: Sendable {
  /// Whether there is a stream for what belongs to no call.
  public enum Hearing: Equatable {
    /// There is one, or none is to be waited for.
    case settled
    /// Somebody else opens it: the waiter will be called.
    case waiting
    /// The caller opens it, and then says what became of it.
    case yours
  }

  /// How a stream ended, or that the server did not take it.
  public struct End: Sendable {
    /// The HTTP status of a refusal, 200 for an end, 0 for a broken connection.
    public var status: Int
    public var wasAccepted: Bool
    /// It brought something, or it lasted for a while.
    public var wasOfUse: Bool
    /// The id of its last event, empty without one, and the reconnection time in milliseconds that the server named.
    public var lastEventID: [UInt8] = []
    public var retry: UInt64?

    public init(status: Int, wasAccepted: Bool, wasOfUse: Bool, lastEventID: [UInt8] = [], retry: UInt64? = nil) {
      self.status = status
      self.wasAccepted = wasAccepted
      self.wasOfUse = wasOfUse
      self.lastEventID = lastEventID
      self.retry = retry
    }
  }

  public enum Action: Equatable {
    /// The server has no such streams.
    case giveUp
    /// It has ended the session with the stream.
    case sessionLost
    /// It is opened again after so many milliseconds if somebody listens; by the next call, too, once it is awaited.
    case again(after: UInt64)
  }

  private enum Phase {
    case missing
    case opening([RequestID])
    case open
    /// The server has said when to take it up, and where: what it has to say meanwhile it keeps until then, so no call
    /// waits, and none opens it sooner [SEP-1699].
    case resting
    /// It broke so often that no call waits for it any more.
    case unsteady
    /// There can be none.
    case none
  }

  /// Attempts that came to nothing, one after the other, until calls no longer wait for another.
  private static let patience: UInt32 = 3

  private var phase = Phase.none
  private var backoff = Backoff()
  private var wasAccepted = false
  /// Where to take it up again; empty if there is no such place.
  private(set) var lastEventID: [UInt8] = []
  /// The reconnection time that the server named last; it holds until it names another.
  private var retry: UInt64?

  init(_ backoff: Backoff = Backoff()) {
    self.backoff = backoff
    self.backoff.succeeded()
  }

  /// Calls wait for it.
  var isAwaited: Bool {
    switch phase {
    case .missing, .opening: true
    case .open, .resting, .unsteady, .none: false
    }
  }

  /// A new session, for which the caller opens a stream, or which has none.
  mutating func begin(opens: Bool) {
    self = NotificationStreamState(backoff)
    if opens { phase = .opening([]) }
  }

  /// Somebody needs the stream.
  mutating func want(_ waiter: RequestID?) -> Hearing {
    switch phase {
    case .open, .resting, .none, .unsteady:
      return .settled
    case .opening(var waiters):
      if let waiter { waiters.append(waiter) }
      phase = .opening(waiters)
      return .waiting
    case .missing:
      phase = .opening(waiter.map { [$0] } ?? [])
      return .yours
    }
  }

  /// It is time to open it again. False if somebody has.
  mutating func again() -> Bool {
    switch phase {
    case .missing, .resting, .unsteady:
      phase = .opening([])
      return true
    case .opening, .open, .none:
      return false
    }
  }

  /// It is time to, and nobody listens: the next call opens it.
  mutating func rested() {
    switch phase {
    case .resting, .unsteady: phase = .missing
    case .missing, .opening, .open, .none: break
    }
  }

  /// The server has taken it, or takes so long that nobody waits any more. Who waited goes on.
  mutating func settle() -> [RequestID] {
    guard case .opening(let waiters) = phase else { return [] }
    phase = .open
    return waiters
  }

  /// It has ended, or was refused; who waits for it is to be settled before.
  mutating func ended(_ end: End) -> Action {
    let isFirst = !wasAccepted && !end.wasAccepted
    wasAccepted = wasAccepted || end.wasAccepted
    if end.wasAccepted, end.wasOfUse { backoff.succeeded() }
    let usual = end.wasAccepted && end.wasOfUse ? backoff.delay() : backoff.failed()
    if !end.lastEventID.isEmpty { lastEventID = end.lastEventID }
    if let named = end.retry { retry = named }
    switch end.status {
    case 0, 200, 429, 500, 502...:
      break
    case 404 where !isFirst:
      phase = .missing
      return .sessionLost
    case _ where !end.wasAccepted && !lastEventID.isEmpty:
      // It does not know that event any more, for which no status is assigned: from now on, then.
      lastEventID = []
    case 400 where !isFirst:
      // So say servers that do not know the session any more, too.
      phase = .missing
      return .sessionLost
    default:
      // 405 and its like.
      phase = .none
      return .giveUp
    }
    let isKept = retry != nil && !lastEventID.isEmpty
    phase = backoff.failures >= Self.patience ? .unsteady : isKept ? .resting : .missing
    return .again(after: UpstreamRetry.delay(asked: retry, otherwise: usual))
  }
}
