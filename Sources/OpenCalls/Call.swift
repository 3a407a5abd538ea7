import Clusters
import Delivery
import MCP
import Reactor
import Routing
import Sessions
import Translation
import UpstreamRequests
import Wire
import Workers

/// A call of the gateway's own.
public final class OwnCall {
  /// Whether it was answered with a result.
  let ended: (Bool) -> Void

  public init(_ ended: @escaping (Bool) -> Void) { self.ended = ended }
}

/// A client's request until it has its answer: who asked, under which id, and what is known of the answer. What goes to an
/// upstream for it is an `UpstreamRequest`. An object that a worker uses again and again, and no call makes one in the
/// steady state.
public final class Call {
  /// Milliseconds after which an undecided answer becomes an event stream.
  static let decisionDelay: UInt64 = 1000

  public fileprivate(set) var id = CallID.none
  /// Where the answer goes.
  public fileprivate(set) var reply = ReplyTo.nobody
  /// The answers that its own is one of.
  public fileprivate(set) var batch: AnswerBatch?
  /// The gateway has called itself, for a client that asked for it in another process. Nobody hears the answer.
  fileprivate(set) var own: OwnCall?
  public var answer = AnswerState()
  public fileprivate(set) var session: Session?
  /// The client's raw id and progress token; empty without one.
  public let clientID = Scratch(capacity: 40)
  public let progressToken = Scratch(capacity: 0)
  public var method = Method.other
  public var clientRevision = Revision.r20251125
  /// On its way upstream, if it has to go there.
  public var request: UpstreamRequest? {
    get { lentRequest?.kept }
    set { lentRequest = newValue.map { Lent($0) } }
  }
  /// The same for who looks at it: it is its worker's, and this one's until it ends.
  private(set) var lentRequest: Lent<UpstreamRequest>?
  /// While it may go to a second endpoint too, or does.
  public var hedge: Hedge?
  public var startedAt: UInt64 = 0
  public fileprivate(set) var deadline: UInt64 = 0
  /// When the answer becomes SSE because nothing came.
  var decideAt: UInt64 = 0
  /// It has been routed once more because what was known of its server held no more.
  public var isRerouted = false
  /// It has waited until it was known what its server is in the legacy era.
  public var hasAwaitedFace = false

  /// What keeps it at one endpoint with others, where its server has several.
  public var routingKey: RoutingKey?
  /// Until when it waits to get through to its server, once it does; 0 before.
  public var waitsUntil: UInt64 = 0

  /// The number of the server that it was routed to, and how many redirects of that it has followed.
  public var server = 0
  public var redirects = 0

  // What its answer is translated by.
  public var serverRevision = Revision.r20251125
  /// The raw contents of the URI that a read asked for.
  public var requestedURI: [UInt8] = []
  /// The URI that it adds to its session's subscriptions, until it is known that the server takes it.
  public var subscribing: [UInt8] = []
  public var hasNonObjectOutput = false
  /// The client sees every server's resources, so that their URIs may collide.
  public var looksAtAll = false
  public var marksResources = false
  /// What a modern request asked to be told of its logs.
  public var logLevel: LogLevel?
  /// Its header lines that no list of the server's explains, in case it goes out once more.
  public var mirrored: [MirroredLine] = []
  /// What a modern request said that its client can do.
  public var abilities = ClientCapabilities()
  /// What the server has asked a modern client for in the course of the call, though it can't do it.
  public var lacking = ClientCapabilities()

  // Among those that the same client may have under way.
  fileprivate var asker: UInt64 = 0
  /// Slots of its neighbours there.
  fileprivate var before = CallTable.end
  fileprivate var after = CallTable.end

  /// Whether the client gave it this id.
  public func isCalled(_ token: RawSpan) -> Bool { clientID.bytes(of: self).equals(token) }

  /// Lets `body` look at its session, while it does not end. nil for a call without one.
  @inline(__always)
  public func withSession<Result>(_ body: (Session) -> Result) -> Result? {
    guard let session else { return nil }
    return Lent(session).with(body)
  }

  /// The WebSocket that it came over.
  public var socket: ConnectionID? { reply.socket }

  /// The connection whose POST it is by itself.
  public var post: ConnectionID? { reply.isPost && batch == nil ? reply.connection : nil }

  /// What carries it upstream can't be paused for its client alone.
  var isOnLink: Bool { lentRequest?.with { $0.opened?.link != nil } == true }

  /// Whether a client waits for its answer, or may come back for it.
  public var isAwaited: Bool { own == nil && !answer.isForNobody }

  /// The hop that it crosses.
  public var hop: Hop {
    Hop(
      method, client: clientRevision, upstream: serverRevision, hasNonObjectOutput: hasNonObjectOutput,
      marksResources: marksResources)
  }

  public func extend(to deadline: UInt64) {
    self.deadline = deadline
    lentRequest?.with { $0.deadline = deadline }
  }

  fileprivate func begin(_ id: CallID, _ reply: ReplyTo, _ session: Session?) {
    self.id = id
    self.reply = reply
    self.session = session
  }

  /// Ready for another, under another name.
  fileprivate func reset() {
    id = .none
    reply = .nobody
    if batch != nil { batch = nil }
    if own != nil { own = nil }
    answer = AnswerState()
    session = nil
    clientID.buffer.clear(keepingAtMost: 256)
    progressToken.buffer.clear(keepingAtMost: 256)
    lentRequest = nil
    if hedge != nil { hedge = nil }
    isRerouted = false
    hasAwaitedFace = false
    routingKey = nil
    waitsUntil = 0
    redirects = 0
    if !requestedURI.isEmpty { requestedURI = [] }
    if !subscribing.isEmpty { subscribing = [] }
    hasNonObjectOutput = false
    looksAtAll = false
    marksResources = false
    logLevel = nil
    if !mirrored.isEmpty { mirrored = [] }
    abilities = ClientCapabilities()
    lacking = ClientCapabilities()
  }
}

/// The calls of one worker, by number, and by whose they are.
struct CallTable {
  private var table: SlotTable<CallName, Call>
  /// Slots of the last call of each session or WebSocket, by the bits of its name, and from there on `after`: few share a
  /// place.
  private var chains = Array(repeating: CallTable.end, count: CallTable.places)

  fileprivate static var end: UInt32 { .max }
  private static var places: Int { 1024 }

  init(worker: Int) { table = SlotTable(worker: worker) }

  var count: Int { table.count }

  /// nil if there are as many as ids have room for.
  mutating func make(_ reply: ReplyTo, _ session: Session?, _ batch: AnswerBatch? = nil, _ own: OwnCall? = nil) -> Call?
  {
    guard let (id, call) = table.reuse(or: Call.init) else { return nil }
    call.begin(id, reply, session)
    if let batch { call.batch = batch }
    if let own { call.own = own }
    enter(call)
    return call
  }

  func find(_ id: CallID) -> Call? { table.find(id) }
  /// The same for who looks at it within this turn of the loop.
  func lend(_ id: CallID) -> Lent<Call>? { table.lend(id) }
  func contains(_ id: CallID) -> Bool { table.contains(id) }
  func ids(where matches: (Call) -> Bool) -> [CallID] { table.ids(where: matches) }
  func contains(where matches: (Call) -> Bool) -> Bool { table.contains(where: matches) }

  mutating func release(_ call: Call) {
    let id = call.id
    guard table.release(id) else { return }
    leave(call)
    call.reset()
  }

  // MARK: By client

  /// The calls of a session.
  func calls(of session: SessionID, _ socket: ConnectionID?) -> [CallID] {
    calls(socket.map(Self.name) ?? Self.name(session)) { $0.session?.id == session }
  }

  /// Those that came over a WebSocket.
  func calls(over socket: ConnectionID) -> [CallID] { calls(Self.name(socket)) { $0.socket == socket } }

  private func calls(_ name: UInt64, where matches: (Call) -> Bool) -> [CallID] {
    var found: [CallID] = []
    var next = chains[Self.place(name)]
    while next != Self.end, let call = table.entry(at: Int(next)) {
      if matches(call) { found.append(call.id) }
      next = call.after
    }
    return found
  }

  /// The bits of a session's name are random; those of a connection tell it from others of its worker.
  private static func name(_ session: SessionID) -> UInt64 { session.low | 1 }
  private static func name(_ socket: ConnectionID) -> UInt64 { socket.rawValue &* 0x9E37_79B9_7F4A_7C15 | 1 }
  private static func place(_ name: UInt64) -> Int { Int(truncatingIfNeeded: name >> 54) }

  private mutating func enter(_ call: Call) {
    if let socket = call.socket {
      call.asker = Self.name(socket)
    } else if let session = call.session {
      call.asker = Self.name(session.id)
    } else {
      return
    }
    let slot = UInt32(call.id.slot)
    let place = Self.place(call.asker)
    let last = chains[place]
    call.before = Self.end
    call.after = last
    if last != Self.end { table.entry(at: Int(last))?.before = slot }
    chains[place] = slot
  }

  private mutating func leave(_ call: Call) {
    guard call.asker != 0 else { return }
    let (before, after) = (call.before, call.after)
    if before != Self.end {
      table.entry(at: Int(before))?.after = after
    } else {
      chains[Self.place(call.asker)] = after
    }
    if after != Self.end { table.entry(at: Int(after))?.before = before }
    call.asker = 0
  }
}
