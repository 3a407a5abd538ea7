import Logging
import MCP
import Reactor
import Wire

/// What every part of a worker stands on: its event loop, the settings as that loop knows them, timers, and memory to read
/// and write messages in. One for each loop, touched on the loop's thread alone.
///
/// A part keeps `loop` and the scratch that it uses on the path of a call in stored properties of its own: through the
/// context each use would cost a load, a retain and a release more, some 4 % of a call in all.
final class WorkerContext {
  /// Among the loops of the gateway; the control loop is the last.
  let index: Int
  let group: WorkerGroup
  let loop: EventLoop
  let logger: Logger
  let timers: Timers
  let memory: PartyMemory
  let tallies: Tallies
  /// What the configuration says.
  private(set) var settings: Settings
  /// What of that each call reads, at hand.
  private(set) var limits: Limits
  /// Minutes since 1970, a few seconds late at most.
  private(set) var minute = System.minute

  // Scratch, one of each, used again and again.
  let requestScanner = EnvelopeScanner()
  let answerScanner = EnvelopeScanner()
  var splice = Splice()
  let head = Scratch(capacity: 2048)
  let body = Scratch(capacity: 16 << 10)
  /// The `id` line of the event that is being written.
  let idLine = Scratch(capacity: 48)

  init(index: Int, group: WorkerGroup, settings: Settings, options: EventLoop.Options, logger: Logger) throws {
    self.index = index
    self.group = group
    self.settings = settings
    limits = Limits(settings)
    self.logger = logger
    tallies = group.tallies[index]
    var options = options
    options.worker = UInt8(index)
    loop = try EventLoop(options)
    timers = Timers(loop)
    memory = PartyMemory(loop: loop, group: group, bounds: settings.holdings)
  }

  /// Milliseconds of the monotonic clock at this turn.
  var now: UInt64 { loop.now }

  var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }
  var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  /// An empty body to write a message in. What a large one needed is not kept for the next.
  @inline(__always)
  func clearBody() { body.buffer.clear(keepingAtMost: 256 << 10) }

  /// The configuration was read again.
  func adopt(_ settings: Settings) {
    self.settings = settings
    limits = Limits(settings)
    memory.bounds = settings.holdings
    loop.adopt(settings.loopLimits)
  }

  func lookAtClock() { minute = System.minute }
}

/// Numbers of the settings that are looked at on the path of every call.
struct Limits {
  /// Of a message's nesting.
  let depth: Int
  /// Bytes of a result.
  let result: Int
  /// Milliseconds.
  let callTimeout: UInt64
  let callsPerUpstream: Int
  /// Milliseconds.
  let sessionIdleTimeout: UInt64
  /// Minutes after its opening for which a session's ticket is taken.
  private let sessionAge: UInt32
  let hasSeveralServers: Bool
  let writeHighWater: Int

  init(_ settings: Settings) {
    depth = settings.depth
    result = settings.resultLimit
    callTimeout = settings.callTimeout
    callsPerUpstream = settings.callsPerUpstream
    sessionIdleTimeout = settings.sessionIdleTimeout
    sessionAge = settings.sessionAge
    hasSeveralServers = settings.hasSeveralServers
    writeHighWater = Int(settings.loopLimits.writeHighWater)
  }

  /// The minute since which a session must have been opened whose ticket is taken.
  func oldestTicket(at minute: UInt32) -> UInt32 { minute > sessionAge ? minute - sessionAge : 0 }
}

/// Who asks on a client's connection. Behind a proxy that is trusted it may change from one request to the next: ask while
/// a request is in hand, and keep the answer, not the connection.
extension WorkerContext {
  /// nil once the connection is gone.
  func clientAddress(of connection: ConnectionID) -> ClientAddress? { loop.clientAddress(of: connection) }

  func principal(of connection: ConnectionID) -> Principal {
    loop.subject(of: connection).map(Principal.init(subject:)) ?? .anonymous
  }

  func party(of connection: ConnectionID) -> Party {
    let principal = principal(of: connection)
    guard principal == .anonymous else { return .principal(principal) }
    return .address(clientAddress(of: connection)?.holder ?? ClientAddress(high: 0, low: 0))
  }
}
