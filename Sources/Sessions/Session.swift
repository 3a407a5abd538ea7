import Catalogue
import Clusters
import MCP
import Reactor
import ServedCatalogue
import SessionStore
import Synchronization
import Wire
import Workers

/// One legacy client's conversation, from `initialize` to DELETE or expiry. Any worker may serve its requests; what
/// changes is behind one lock, held for a few loads and stores.
public final class Session: Sendable {
  /// What `initialize` settled. On HTTP+SSE it comes after the session.
  public struct Handshake: Sendable {
    var revision: Revision
    /// What the client said that it can do.
    var abilities: ClientCapabilities

    public init(_ revision: Revision, _ abilities: ClientCapabilities = []) {
      self.revision = revision
      self.abilities = abilities
    }

    /// What an `initialize` says.
    public init(_ revision: Revision, _ envelope: Envelope) {
      self.init(revision)
      if let capabilities = envelope.value(Param.capabilities) { abilities = ClientCapabilities(parsing: capabilities) }
    }

    /// The same in one word, for those who read it without a lock.
    fileprivate var word: UInt32 { UInt32(revision.rawValue) << 16 | UInt32(abilities.rawValue) }

    fileprivate init(word: UInt32) {
      self.init(
        Revision(rawValue: UInt8(truncatingIfNeeded: word >> 16)) ?? .newestLegacy,
        ClientCapabilities(rawValue: UInt16(truncatingIfNeeded: word)))
    }
  }

  /// How its client speaks.
  public enum Transport: Sendable, Equatable {
    case streamableHTTP
    /// HTTP+SSE of 2024-11-05: everything goes down its one stream, and the session ends with it.
    case eventStream
    /// A WebSocket, on which everything goes, and the session ends with it.
    case socket(ConnectionID)
  }

  /// How it came to be here.
  public enum Origin: Sendable {
    case opened
    /// From a ticket: its client knows of streams and lists that this process knows nothing of.
    case anew
  }

  public struct State: ~Copyable {
    public var log: EventLog
    /// What a session gets by use: apart, so that one that only listens does without.
    private struct Belongings {
      var upstreams: [PlainKey: UpstreamSession] = [:]
      var subscriptions: [[UInt8]: Subscription] = [:]
      var overlay: ServedCatalogue?
    }

    /// One at most.
    private var belongings: [Belongings] = []
    /// Bytes of the URIs that it subscribed to: four bytes, beside the small fields.
    private var subscriptionBytes: UInt32 = 0
    /// What `logging/setLevel` asked for.
    public var logLevel: LogLevel?
    public var ended = false
    /// Its streams for messages of no call are another process's.
    public var isLeft = false

    init(log: EventLog) { self.log = log }

    /// Conversations of its own, by the id of the cluster.
    var upstreams: [PlainKey: UpstreamSession] {
      _read { if belongings.isEmpty { yield Dictionary() } else { yield belongings[0].upstreams } }
      _modify {
        own()
        yield &belongings[0].upstreams
      }
    }

    /// What it subscribed to, by the URI that it named.
    public var subscriptions: [[UInt8]: Subscription] {
      _read { if belongings.isEmpty { yield Dictionary() } else { yield belongings[0].subscriptions } }
      _modify {
        own()
        yield &belongings[0].subscriptions
      }
    }

    /// What it sees, where that differs from what all see.
    var overlay: ServedCatalogue? {
      get { belongings.first?.overlay }
      set {
        guard newValue != nil || !belongings.isEmpty else { return }
        own()
        belongings[0].overlay = newValue
      }
    }

    private mutating func own() { if belongings.isEmpty { belongings.append(Belongings()) } }

    fileprivate mutating func letGo() { if !belongings.isEmpty { belongings = [] } }

    /// Takes a subscription under that name, or takes it back. False where there are too many or they are too long, or the
    /// session has ended.
    public mutating func subscribe(_ name: [UInt8], _ subscription: Subscription?, atMost bytes: Int) -> Bool {
      let isKnown = subscriptions[name] != nil
      if subscription != nil, !isKnown {
        let after = Int(subscriptionBytes) + name.count
        guard !ended, subscriptions.count < Session.mostSubscriptions, after <= min(bytes, Int(UInt32.max)) else {
          return false
        }
        subscriptionBytes = UInt32(after)
      } else if subscription == nil, isKnown {
        subscriptionBytes -= UInt32(name.count)
      }
      guard !ended || subscription == nil else { return false }
      if isKnown || subscription != nil { subscriptions[name] = subscription }
      return true
    }
  }

  /// Resources that one session may subscribe to.
  public static let mostSubscriptions = 1024

  // There is one for each client, also of those that are idle: BudgetTests count its bytes. Small fields stand together, in
  // what `party` leaves of its last word and behind it.
  public let id: SessionID
  private let loops = Atomic<UInt16>(0)
  private let rowPlace = Atomic<UInt32>(0)
  /// Who opened it.
  public let party: Party
  private let isEventStream: Bool
  private let marks = Atomic<UInt8>(0)
  private let isUsed = Atomic<Bool>(false)
  private let announced = Atomic<UInt8>(0)
  private let hasNews: Atomic<Bool>
  private let viewWord: UInt16
  private let handshake: Atomic<UInt32>
  private let calls = Atomic<Int32>(0)
  private let toldOf = Atomic<UInt32>(0)
  private let openedAt: UInt64
  private let socketID: ConnectionID
  private let touched: Atomic<UInt64>
  private let state: Mutex<State>

  public init(
    id: SessionID, party: Party, view: CatalogueView, handshake: Handshake,
    _ transport: Transport = .streamableHTTP, origin: Origin = .opened, replay: Int, resumeWindow: UInt64, now: UInt64
  ) {
    self.id = id
    self.party = party
    viewWord = view.word
    self.handshake = Atomic(handshake.word)
    isEventStream = transport == .eventStream
    socketID = if case .socket(let connection) = transport { connection } else { .none }
    var log = EventLog(capacity: replay, resumeWindow: resumeWindow)
    if origin == .anew { log.skipNumbers() }
    hasNews = Atomic(origin == .anew)
    state = Mutex(State(log: log))
    touched = Atomic(now)
    openedAt = now
  }

  /// Where it is in its worker's row; the table's, under the lock of that row.
  var place: Int {
    get { Int(rowPlace.load(ordering: .relaxed)) }
    set { rowPlace.store(UInt32(newValue), ordering: .relaxed) }
  }

  /// Nobody else may go on with it.
  public var principal: Principal { party.principal }

  /// Which upstreams the client's URL names.
  public var view: CatalogueView { CatalogueView(word: viewWord) }

  public var transport: Transport {
    if isEventStream { return .eventStream }
    return socketID.isNone ? .streamableHTTP : .socket(socketID)
  }

  /// The WebSocket that it speaks over.
  public var socket: ConnectionID? { socketID.isNone ? nil : socketID }

  private var settled: Handshake { Handshake(word: handshake.load(ordering: .relaxed)) }
  public var revision: Revision { settled.revision }
  public var abilities: ClientCapabilities { settled.abilities }

  /// What a second `initialize` says holds from now on. Gives the conversations that were opened by the first and say
  /// something else of the client.
  public func shakeHands(_ settled: Handshake) -> [(Cluster, UpstreamSession.Open)] {
    handshake.store(settled.word, ordering: .relaxed)
    return withState { Array($0.upstreams.values) }.compactMap { upstream in
      upstream.declare(settled.abilities).map { (upstream.cluster, $0) }
    }
  }

  /// The lists of whose changes the client was promised to hear: it must not hear of others.
  public var announcedLists: ListKinds { ListKinds(rawValue: announced.load(ordering: .relaxed)) }

  /// What its client is being told that there is.
  func note(_ offer: Offer) { note(ListKinds(announcedBy: offer.capabilities)) }

  public func note(_ lists: ListKinds) { announced.store(lists.rawValue, ordering: .relaxed) }

  /// Whether the client said that it can answer such a request.
  public func canBeAsked(_ method: Method) -> Bool {
    switch method {
    case .samplingCreateMessage: abilities.contains(.sampling)
    case .elicitationCreate: !abilities.isDisjoint(with: [.elicitationForm, .elicitationURL])
    case .rootsList: abilities.contains(.roots)
    default: method == .other || method == .ping
    }
  }

  /// Conversations of its own that are open.
  public var openUpstreams: [(UpstreamSession, UpstreamSession.Open)] {
    withState { Array($0.upstreams.values) }.compactMap { upstream in upstream.current.map { (upstream, $0) } }
  }

  public func withState<Result>(_ body: (inout sending State) -> sending Result) -> sending Result {
    state.withLock { body(&$0) }
  }

  /// Among `marks`.
  private static let overlaid: UInt8 = 1
  private static let gone: UInt8 = 2

  /// The table has it no more.
  var isGone: Bool { marks.load(ordering: .acquiring) & Self.gone != 0 }
  func leaveTable() { marks.bitwiseOr(Self.gone, ordering: .releasing) }

  /// The catalogue that is this client's alone; nil for nearly all.
  public var overlay: ServedCatalogue? {
    marks.load(ordering: .acquiring) & Self.overlaid == 0 ? nil : withState { $0.overlay }
  }

  public func see(_ overlay: ServedCatalogue?) {
    withState { $0.overlay = overlay }
    if overlay != nil {
      marks.bitwiseOr(Self.overlaid, ordering: .releasing)
    } else {
      marks.bitwiseAnd(~Self.overlaid, ordering: .releasing)
    }
  }

  /// What its client knows of the lists may not be so any more.
  public func haveNews() { hasNews.store(true, ordering: .relaxed) }

  /// Whether that is so and its client has not been told: once.
  public func takeNews() -> Bool { hasNews.exchange(false, ordering: .relaxed) }

  /// Of list changes up to that one its client need not be told any more.
  public func hears(after serial: UInt32) { toldOf.store(serial, ordering: .relaxed) }

  /// True for the first who asks: the one who tells the client of that list change. They are claimed in order.
  public func claim(_ serial: UInt32) -> Bool {
    var known = toldOf.load(ordering: .relaxed)
    while known < serial {
      let (isTaken, original) = toldOf.compareExchange(expected: known, desired: serial, ordering: .relaxed)
      if isTaken { return true }
      known = original
    }
    return false
  }

  public func touch(now: UInt64) { touched.store(now, ordering: .relaxed) }

  public func callBegan() {
    calls.wrappingAdd(1, ordering: .relaxed)
    noteUse()
  }

  public func callEnded() { calls.wrappingSubtract(1, ordering: .relaxed) }

  /// Calls under way, on whichever worker.
  public var callsInFlight: Int { Int(calls.load(ordering: .relaxed)) }

  /// Its client has made use of it: by a request or a stream, as `notifications/initialized` only completes its opening.
  public func noteUse() { if !isUsed.load(ordering: .relaxed) { isUsed.store(true, ordering: .relaxed) } }

  /// What has been made of it so far.
  var use: SessionCensus.Use {
    isUsed.load(ordering: .relaxed) ? .used : .unused(since: openedAt)
  }

  /// Whether a request over Streamable HTTP may name it.
  /// - Parameter subject: of whoever asks, if that is known.
  public func isFor(_ subject: String?, _ view: CatalogueView) -> Bool {
    guard viewWord == view.word, !isEventStream, socketID.isNone else { return false }
    guard case .principal(let principal) = party else { return subject?.isEmpty ?? true }
    return principal.subject == subject ?? ""
  }

  /// Calls of it are under way.
  public var isCalling: Bool { calls.load(ordering: .relaxed) > 0 }

  /// Nothing was heard for `idle` milliseconds, no call runs and nobody reads a stream.
  public func isIdle(for idle: UInt64, now: UInt64) -> Bool {
    guard !isCalling, touched.load(ordering: .relaxed) + idle <= now else { return false }
    // As long as its WebSocket is open somebody is there: pings see to that.
    return socketID.isNone && withState { $0.log.attachedCount == 0 }
  }

  /// The conversation with an upstream that is this session's alone.
  public func upstream(_ cluster: Cluster) -> UpstreamSession {
    withState { state in
      if let known = state.upstreams[cluster.key] { return known }
      let made = UpstreamSession(
        cluster: cluster, owner: id, abilities: abilities)
      // What it subscribed to before the server changed it still is.
      for former in state.upstreams.values where cluster.takesOver(from: former.cluster) { made.inherit(from: former) }
      // A call that outlived the session must not open what nobody would end.
      if state.ended {
        _ = made.close()
        return made
      }
      state.upstreams[cluster.key] = made
      return made
    }
  }

  /// Its own conversations that there are, by the key of the cluster.
  public var ownUpstreams: [PlainKey: UpstreamSession] { withState { $0.upstreams } }

  /// Whether it subscribed to something in its own conversation with a cluster.
  func isSubscribed(in cluster: Cluster) -> Bool {
    withState { $0.upstreams[cluster.key] }?.subscriptions.isEmpty == false
  }

  /// Takes out the conversation with a cluster that is left: to be ended.
  public func takeUpstream(of cluster: Cluster) -> UpstreamSession? {
    withState { $0.upstreams.isEmpty ? nil : $0.upstreams.removeValue(forKey: cluster.key) }
  }

  /// What an ended session leaves behind.
  public struct Remains {
    public var upstreams: [UpstreamSession]
    public var readers: [ConnectionID]
    public var subscriptions: [[UInt8]: Subscription]
  }

  // MARK: Loops

  /// Loops on which something of it may be under way share a bit with others 16 further on.
  private static func bit(of loop: Int) -> UInt16 { 1 << UInt16(loop & 15) }

  /// Something of it is under way on that loop from here on, which hears of its end. False if it had ended by then, so that
  /// nobody may tell.
  @inline(__always)
  public func enter(_ loop: Int) -> Bool {
    loops.load(ordering: .relaxed) & Self.bit(of: loop) != 0 || enterFirst(loop)
  }

  /// Either who ends it finds the bit, or it is found to have ended here: the lock lies between.
  private func enterFirst(_ loop: Int) -> Bool {
    loops.bitwiseOr(Self.bit(of: loop), ordering: .sequentiallyConsistent)
    return withState { !$0.ended }
  }

  /// Whether something of it may be under way there.
  public func mayBe(on loop: Int) -> Bool { loops.load(ordering: .sequentiallyConsistent) & Self.bit(of: loop) != 0 }

  /// Marks the session as ended; gives what is to be closed, once.
  public func end() -> Remains? {
    withState { state in
      guard !state.ended else { return nil }
      state.ended = true
      let upstreams = Array(state.upstreams.values)
      let subscriptions = state.subscriptions
      let overlay = state.overlay
      state.letGo()
      // What it sees it goes on seeing: who ends it asks whether that was its alone.
      state.overlay = overlay
      return Remains(upstreams: upstreams, readers: state.log.readers, subscriptions: subscriptions)
    }
  }
}

extension CatalogueView {
  /// The same in two bytes.
  public var word: UInt16 {
    switch self {
    case .all: 0
    case .only(let number): UInt16(number + 1)
    }
  }

  public init(word: UInt16) { self = word == 0 ? .all : .only(upstream: Int(word) - 1) }
}
