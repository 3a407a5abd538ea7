import Clusters
import MCP
import Reactor
import Routing
import Upstream
import Wire
import Workers

/// One request on its way to an upstream, until its answer has come: a client's call, one of the gateway's own, or a
/// message that is none. An object that a worker uses again and again, and no request makes one in the steady state.
public final class UpstreamRequest {
  /// Who awaits its answer.
  public enum Owner {
    /// A client's call, by the number that whoever made it knows it by.
    case client(UInt64)
    case gateway(LocalCall)
    /// A request on an HTTP+SSE link, whose answer comes on the stream of that (`.none`: what is none): this only takes the
    /// message there.
    case message(of: RequestID, LinkReference)
    case nobody
  }

  /// What carries it upstream.
  public enum Carrier: Equatable {
    case none
    case connection(ConnectionID)
    case link(LinkReference)
    /// The demonstration server of this worker.
    case embedded
  }

  public fileprivate(set) var id = RequestID.none
  public var owner = Owner.nobody
  public var state = RequestState()
  public var method = Method.other
  /// That of the upstream.
  public var revision = Revision.r20251125
  /// What its worker has of the endpoint that it goes to.
  public fileprivate(set) var hold: Lent<ClusterHold>?
  fileprivate(set) var count = RequestCount.none
  /// The conversation that it belongs to, and as what it was open when the message went out.
  public var session: UpstreamSession?
  public var opened: UpstreamSession.Open?
  /// A conversation was opened for it, and it has not failed since.
  public var hasOpened = false
  public var carrier = Carrier.none
  public var reader: ResponseReader?
  /// Its message while it waits for a conversation; set by `park` and `unpark` alone.
  var parked: ParkedMessage?
  /// What it sends, while it waits for a connection; set by `RequestMemory` alone.
  var waiting: WaitingMessage?
  /// For whom what is kept of it counts, if it is no call's.
  public var party: Party?
  var startedAt: UInt64 = 0
  /// When it is given up; never for a client's call, which has a deadline of its own, after which nothing is resumed.
  public var deadline: UInt64 = .max
  /// The lowest level at which it wants to hear of the upstream's logs.
  public var logLevel: LogLevel?
  /// How many redirects it has followed.
  public var redirects = 0
  /// With what its endpoint's circuit breaker has let it through; nil before that, and once it has heard of the end.
  var pass: BreakerPass?
  /// The key of the tool that it calls where that may have a circuit breaker of its own, else 0; and with what that has let
  /// it through, if it has one.
  public var tool: UInt64 = 0
  var toolPass = BreakerPass.none
  /// When it went out over a connection that had been used before; nil for a fresh one.
  public var reusedAt: UInt64?
  /// Where it has failed already, how often, and whether it may be carried out twice.
  public var retries = RetryState(isRepeatable: false)
  /// What keeps it at one endpoint with others, where its server has several.
  public var routingKey: RoutingKey?
  /// Until when it waits for a connection or for its server to come back, once it does; 0 before.
  public var waitsUntil: UInt64 = 0
  /// It is one of the two attempts that a call may have, or has (`hedge_reads`).
  public var isHedged = false
  /// Its connection is not read until the client has taken what there is.
  var isPaused = false

  public var cluster: Cluster? { hold?.with { $0.cluster } }
  public var endpoint: UpstreamEndpoint? { hold?.with { $0.endpoint } }

  public var isClients: Bool { if case .client = owner { true } else { false } }

  /// Nobody but the gateway itself awaits its answer.
  public var isGatewaysOwn: Bool { if case .gateway = owner { true } else { false } }

  /// It has not left yet, for want of a connection.
  public var awaitsConnection: Bool { waiting != nil }

  /// It has no end of its own.
  var isListen: Bool { isGatewaysOwn && deadline == .max }

  fileprivate func begin(_ id: RequestID, _ owner: Owner, _ hold: Lent<ClusterHold>, _ count: RequestCount) {
    self.id = id
    self.owner = owner
    self.hold = hold
    self.count = count
  }

  func direct(to hold: Lent<ClusterHold>) { self.hold = hold }

  /// Ready for another, under another name.
  fileprivate func reset() {
    id = .none
    owner = .nobody
    state = RequestState()
    method = .other
    hold = nil
    count = .none
    if session != nil { session = nil }
    if opened != nil { opened = nil }
    hasOpened = false
    carrier = .none
    if party != nil { party = nil }
    deadline = .max
    logLevel = nil
    redirects = 0
    reusedAt = nil
    pass = nil
    tool = 0
    toolPass = .none
    retries = RetryState(isRepeatable: false)
    waitsUntil = 0
    routingKey = nil
    isHedged = false
    isPaused = false
  }
}

/// A message as the upstream shall get it, while it waits for a conversation to open. It may be as large as a body, and an
/// upstream may take its time, so it counts among what is kept for its client.
struct ParkedMessage {
  let bytes: [UInt8]
  /// For whom it counts; nil for what the gateway says by itself.
  let party: Party?
}

/// A request as it goes out over HTTP, while it waits for a connection. The same holds for it.
struct WaitingMessage {
  /// Head and message.
  private let bytes: [UInt8]
  private let headCount: Int
  let party: Party?
  let place: PoolPlace

  init(_ head: RawSpan, _ message: RawSpan, for party: Party?, at place: PoolPlace) {
    bytes = head.joined(with: message)
    headCount = head.byteCount
    self.party = party
    self.place = place
  }

  var count: Int { bytes.count }
  var head: RawSpan {
    @_lifetime(borrow self)
    get { bytes.rawBytes.extracting(first: headCount) }
  }
  var message: RawSpan {
    @_lifetime(borrow self)
    get { bytes.rawBytes.extracting(droppingFirst: headCount) }
  }
}

/// The requests of one worker.
struct RequestTable {
  private var table: SlotTable<RequestName, UpstreamRequest>

  init(worker: Int) { table = SlotTable(worker: worker) }

  var count: Int { table.count }

  /// nil if there are as many as ids have room for.
  mutating func make(
    _ owner: UpstreamRequest.Owner, _ hold: Lent<ClusterHold>, _ count: RequestCount
  ) -> UpstreamRequest? {
    guard let (id, request) = table.reuse(or: UpstreamRequest.init) else { return nil }
    request.begin(id, owner, hold, count)
    return request
  }

  func find(_ id: RequestID) -> UpstreamRequest? { table.find(id) }
  func lend(_ id: RequestID) -> Lent<UpstreamRequest>? { table.lend(id) }
  func contains(_ id: RequestID) -> Bool { table.contains(id) }

  mutating func release(_ request: UpstreamRequest) {
    let id = request.id
    guard table.release(id) else { return }
    request.reset()
  }

  func ids(where matches: (UpstreamRequest) -> Bool) -> [RequestID] { table.ids(where: matches) }
  func contains(where matches: (UpstreamRequest) -> Bool) -> Bool { table.contains(where: matches) }
}
