import MCP
import Reactor
import Wire

/// Names an exchange: its worker, its slot and the slot's generation, in 52 bits, so that it can be the JSON-RPC id and
/// the progress token toward the upstream, and restoring the client's is an index.
struct ExchangeID: Hashable, Sendable, BitwiseCopyable {
  let rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }

  init(worker: Int, slot: Int, generation: UInt32) {
    rawValue = UInt64(generation & 0xFFF_FFFF) << 24 | UInt64(worker) << 18 | UInt64(slot)
  }

  /// From a token on the wire; nil for anything that no exchange can be called.
  init?(token: RawSpan) {
    guard let value = token.decimal, value < 1 << 52 else { return nil }
    rawValue = value
  }

  static let none = ExchangeID(rawValue: 0)
  static let slots = 1 << 18
  static let workers = 1 << 6

  var worker: Int { Int(rawValue >> 18) & (Self.workers - 1) }
  var slot: Int { Int(rawValue) & (Self.slots - 1) }
  var generation: UInt32 { UInt32(rawValue >> 24) }
}

/// A raw JSON token of a client (an id, a progress token), kept exactly; up to 39 bytes lie inline.
struct Token: Sendable {
  private var inline = InlineArray<39, UInt8>(repeating: 0)
  private var inlineCount: UInt8 = 0
  /// Empty unless the token is longer than that.
  private var long: [UInt8] = []

  init() {}

  init(_ bytes: RawSpan) {
    guard bytes.byteCount <= 39 else {
      long = bytes.array
      return
    }
    inlineCount = UInt8(bytes.byteCount)
    for index in 0..<bytes.byteCount { inline[index] = bytes[byte: index] }
  }

  var isEmpty: Bool { inlineCount == 0 && long.isEmpty }

  var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      if !long.isEmpty { return long.rawBytes }
      return inline.span.bytes.extracting(first: Int(inlineCount))
    }
  }

  func append(to buffer: inout ByteBuffer) { buffer.append(bytes) }

  func equals(_ other: RawSpan) -> Bool { bytes.equals(other) }
}

/// One call on its way: from a client's request to the upstream's response. An object that a worker uses again and
/// again: reading it through the table copies nothing, and no call makes one in the steady state.
final class Exchange {
  /// Where the answer goes.
  enum Origin {
    case free
    /// The POST on this downstream connection.
    case post(ConnectionID)
    /// One element of a JSON-RPC batch.
    case batch(Batch, Int)
    /// The event stream of an HTTP+SSE session.
    case eventStream
    /// The WebSocket that the request came over.
    case socket(SocketReply)
    /// The gateway itself.
    case local(LocalCall)
    /// A call whose answer comes elsewhere (`.none`: what is no call): this only takes its message to an HTTP+SSE server.
    case carrying(ExchangeID, LinkReference)
    /// A client's notification, which nobody answers.
    case notice(Sender)
    /// The gateway itself, for a client that asked for it in another process.
    case renewal(Renewal)
    /// Nobody: the client is gone, or nothing is expected.
    case nobody
  }

  /// Who says something that nobody answers; an object, so that the other origins stay small.
  final class Sender {
    let party: Party

    init(_ party: Party) { self.party = party }
  }

  /// How the answer to a POST has begun.
  enum Answer {
    case undecided
    /// SSE, as this stream of the session; 0 for a modern client, whose streams have no numbers.
    case stream(EventLog.StreamNumber)
    /// A large result goes through as it comes, as the whole answer or as the last event of a stream.
    case passing
  }

  /// What carries it upstream.
  enum Carrier: Equatable {
    case none
    case connection(ConnectionID)
    case link(LinkReference)
    /// The demonstration server of this worker.
    case embedded
  }

  var generation: UInt32 = 1
  fileprivate(set) var id = ExchangeID.none
  var origin = Origin.free
  var answer = Answer.undecided
  var carrier = Carrier.none
  var session: Session?
  var cluster: Cluster?
  var binding: UpstreamSession?
  var opened: UpstreamSession.Open?
  var reader: ResponseReader?
  /// Its message while it waits for a conversation; set by `park` and `unpark` alone.
  var parked: ParkedMessage?
  /// The client's raw id and progress token; empty without one.
  let clientID = Scratch(capacity: 40)
  let progressToken = Scratch(capacity: 0)
  var method = Method.other
  var clientRevision = Revision.r20251125
  var serverRevision = Revision.r20251125
  /// The raw contents of the URI that a read asked for.
  var requestedURI: [UInt8] = []
  /// The URI that it adds to its session's subscriptions, until it is known that the server takes it.
  var subscribing: [UInt8] = []
  var hasNonObjectOutput = false
  /// The client sees every server's resources, so that their URIs may collide.
  var looksAtAll = false
  var marksResources = false
  /// What a modern request asked to be told of its logs.
  var logLevel: LogLevel?
  /// Its header lines that no list of the server's explains, in case it goes out once more.
  var mirrored: [MirroredLine] = []
  /// What a modern request said that its client can do.
  var abilities = ClientCapabilities()
  /// What the server has asked a modern client for in the course of the call, though it can't do it.
  var lacking = ClientCapabilities()
  var startedAt: UInt64 = 0
  var deadline: UInt64 = 0
  /// When the answer becomes SSE because nothing came.
  var decideAt: UInt64 = 0
  /// Where it counts among the calls that its upstream may have in flight, or among the other messages.
  var stake: UpstreamStake?
  var isAside = false
  /// It went out once more, in a new upstream session.
  var retried = false
  /// It has waited until it was known what its server is in the legacy era.
  var hasAwaitedFace = false
  /// How many redirects it has followed.
  var redirects = 0
  /// The upstream connection is not read until the client has taken what there is.
  var isPaused = false

  /// Whether the client gave it this id.
  func isCalled(_ token: [UInt8]) -> Bool { clientID.bytes(of: self).equals(token.rawBytes) }

  /// Whether it came over that client's WebSocket.
  func isAsked(over socket: ConnectionID) -> Bool {
    switch origin {
    case .socket(let reply): reply.connection == socket
    case .batch(let batch, _): batch.isAsked(over: socket)
    default: false
    }
  }

  /// Whether a client waits for its answer, or may come back for it.
  var isClients: Bool {
    switch origin {
    case .post, .batch, .eventStream, .socket: true
    case .nobody: if case .undecided = answer { false } else { true }
    case .free, .local, .carrying, .notice, .renewal: false
    }
  }

  /// Whether nobody but the gateway itself awaits its answer.
  var isGatewaysOwn: Bool { if case .local = origin { true } else { false } }

  var isCarrying: Bool {
    if case .carrying = origin { true } else { false }
  }

  /// Its message has been handed over to an upstream, and that is all.
  var isNotice: Bool {
    if case .notice = origin { true } else { false }
  }

  var isInUse: Bool {
    if case .free = origin { false } else { true }
  }

  /// Ready for another call, under another name.
  fileprivate func reset() {
    generation = generation == 0xFFF_FFFF ? 1 : generation + 1
    origin = Origin.free
    answer = Answer.undecided
    carrier = Carrier.none
    session = nil
    cluster = nil
    binding = nil
    opened = nil
    reader = nil
    parked = nil
    clientID.buffer.clear(keepingAtMost: 256)
    progressToken.buffer.clear(keepingAtMost: 256)
    method = Method.other
    clientRevision = Revision.r20251125
    serverRevision = Revision.r20251125
    requestedURI = []
    subscribing = []
    hasNonObjectOutput = false
    looksAtAll = false
    marksResources = false
    logLevel = nil
    if !mirrored.isEmpty { mirrored = [] }
    abilities = ClientCapabilities()
    lacking = ClientCapabilities()
    startedAt = 0
    deadline = 0
    decideAt = 0
    retried = false
    hasAwaitedFace = false
    redirects = 0
    stake = nil
    isAside = false
    isPaused = false
  }
}

/// The exchanges of one worker, by slot: nothing is allocated per call once the table has grown.
struct ExchangeTable {
  private var slots: [Exchange] = []
  private var free: [Int] = []
  private(set) var count = 0
  let worker: Int

  init(worker: Int) {
    self.worker = worker
  }

  /// nil if there are as many calls in flight as ids allow.
  mutating func make(_ origin: Exchange.Origin) -> ExchangeID? {
    let slot: Int
    if let last = free.popLast() {
      slot = last
    } else {
      guard slots.count < ExchangeID.slots else { return nil }
      slot = slots.count
      slots.append(Exchange())
    }
    let exchange = slots[slot]
    exchange.origin = origin
    exchange.id = ExchangeID(worker: worker, slot: slot, generation: exchange.generation)
    count += 1
    return exchange.id
  }

  func contains(_ id: ExchangeID) -> Bool { find(id) != nil }

  /// nil once the call is over.
  func find(_ id: ExchangeID) -> Exchange? {
    guard id.worker == worker, id.slot < slots.count else { return nil }
    let exchange = slots[id.slot]
    guard exchange.generation == id.generation, exchange.isInUse else { return nil }
    return exchange
  }

  subscript(_ id: ExchangeID) -> Exchange {
    guard let exchange = find(id) else { preconditionFailure("no such exchange") }
    return exchange
  }

  mutating func remove(_ id: ExchangeID) {
    guard let exchange = find(id) else { return }
    exchange.reset()
    free.append(id.slot)
    count -= 1
  }

  /// Ids of the calls in flight for which `matches` holds.
  func ids(where matches: (borrowing Exchange) -> Bool) -> [ExchangeID] {
    guard count > 0 else { return [] }
    return slots.indices.compactMap { slot in
      guard slots[slot].isInUse, matches(slots[slot]) else { return nil }
      return ExchangeID(worker: worker, slot: slot, generation: slots[slot].generation)
    }
  }
}
