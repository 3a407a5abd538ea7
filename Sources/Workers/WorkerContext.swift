import Logging
import MCP
import Reactor
import Wire

/// What every part of a worker stands on: its event loop, the settings as that loop knows them, timers, and memory to read
/// and write messages in. One for each loop, touched on the loop's thread alone.
///
/// A part keeps `loop` and the scratch that it uses on the path of a call in stored properties of its own: through the
/// context each use would cost a load, a retain and a release more, some 4 % of a call in all.
public final class WorkerContext {
  /// Among the loops of the gateway; the control loop is the last.
  public let index: Int
  public let group: WorkerGroup
  public let loop: EventLoop
  public let logger: Logger
  public let timers: Timers
  public let memory: PartyMemory
  public let tallies: Tallies
  /// What the configuration says.
  public private(set) var settings: Settings
  /// What of that each call reads, at hand.
  public private(set) var limits: Limits
  /// Minutes since 1970, a few seconds late at most.
  public private(set) var minute = System.minute

  // Scratch, one of each, used again and again.
  public let requestScanner = EnvelopeScanner()
  public let answerScanner = EnvelopeScanner()
  public var splice = Splice()
  public let head = Scratch(capacity: 2048)
  public let body = Scratch(capacity: 16 << 10)
  /// The `id` line of the event that is being written.
  public let idLine = Scratch(capacity: 48)

  public init(index: Int, group: WorkerGroup, settings: Settings, options: EventLoop.Options, logger: Logger) throws {
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
  public var now: UInt64 { loop.now }

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
  public func adopt(_ settings: Settings) {
    self.settings = settings
    limits = Limits(settings)
    memory.bounds = settings.holdings
    loop.adopt(settings.loopLimits)
  }

  public func lookAtClock() { minute = System.minute }
}

/// Numbers of the settings that are looked at on the path of every call.
public struct Limits {
  /// Of a message's nesting.
  public let depth: Int
  /// Bytes of a result.
  public let result: Int
  /// Milliseconds.
  public let callTimeout: UInt64
  public let callsPerUpstream: Int
  /// Milliseconds.
  public let sessionIdleTimeout: UInt64
  /// Minutes after its opening for which a session's ticket is taken.
  private let sessionAge: UInt32
  public let hasSeveralServers: Bool
  public let writeHighWater: Int

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
  public func oldestTicket(at minute: UInt32) -> UInt32 { minute > sessionAge ? minute - sessionAge : 0 }
}

/// Who asks on a client's connection. Behind a proxy that is trusted it may change from one request to the next: ask while
/// a request is in hand, and keep the answer, not the connection.
extension WorkerContext {
  /// nil once the connection is gone.
  func clientAddress(of connection: ConnectionID) -> ClientAddress? { loop.clientAddress(of: connection) }

  public func principal(of connection: ConnectionID) -> Principal {
    loop.subject(of: connection).map(Principal.init(subject:)) ?? .anonymous
  }

  public func party(of connection: ConnectionID) -> Party {
    let principal = principal(of: connection)
    guard principal == .anonymous else { return .principal(principal) }
    return .address(clientAddress(of: connection)?.holder ?? ClientAddress(high: 0, low: 0))
  }
}
