import CReactor
internal import Wire

/// One libuv loop and all that lives on it, with the handler that decides.
///
/// Thread: everything but `handle` belongs to the thread that calls `run`.
@safe
public final class EventLoop {
  /// What a loop may be told at birth.
  public struct Options: Sendable {
    /// Index in ids, below 250.
    public var worker: UInt8 = 0
    /// Downstream and upstream connections together.
    public var maximumConnections: UInt32 = 20_000
    public var writeHighWater: UInt32 = 64 << 10
    public var writeLowWater: UInt32 = 16 << 10
    /// Bytes and fields of the head of an upstream's answer.
    public var answerHead: UInt32 = 32 << 10
    public var answerHeaders: UInt32 = 100
    /// Bytes buffered for all peers above which requests get 503; 0: any number.
    public var memory = 0
    /// Time moves by `advance` only; for tests.
    public var manualClock = false
    public var reaper: Reaper?

    public init() {}

    /// What a running loop can take over; the rest holds from birth to end.
    fileprivate func bounds(_ settings: inout cr_loop_options) {
      unsafe settings.max_connections = maximumConnections
      unsafe settings.write_high_water = writeHighWater
      unsafe settings.write_low_water = writeLowWater
      unsafe settings.answer_head = answerHead
      unsafe settings.answer_headers = answerHeaders
      unsafe settings.memory = memory
    }
  }

  let raw: OpaquePointer
  private var target: Unmanaged<Target>?
  public let handle: LoopHandle
  public let executor: LoopExecutor
  public let children: Children
  public let webSockets: WebSockets
  /// Kept as long as children may need it.
  private let reaper: Reaper?

  public init(_ options: Options) throws(ReactorError) {
    var settings = unsafe cr_loop_options()
    unsafe settings.worker = options.worker
    unsafe options.bounds(&settings)
    unsafe settings.manual_clock = options.manualClock
    unsafe settings.reaper = options.reaper?.raw
    var handlers = EventLoop.handlers
    var made: OpaquePointer?
    let error = unsafe cr_loop_create(&made, &settings, &handlers, nil)
    guard let made = unsafe made else { throw ReactorError(error) }
    unsafe raw = made
    reaper = options.reaper
    unsafe handle = LoopHandle(loop: made)
    executor = LoopExecutor(handle)
    unsafe children = Children(raw: made)
    unsafe webSockets = WebSockets(raw: made)
    // What C hands back; nothing is called before the loop runs.
    unsafe cr_loop_set_context(made, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    unsafe cr_loop_destroy(raw)
    unsafe target?.release()
  }

  /// Has a handler hear what happens: once, before the loop runs. Whoever owns the loop keeps it alive as long as that.
  public func hand(to handler: any LoopHandler) {
    precondition(unsafe target == nil)
    unsafe target = .passRetained(Target(handler))
  }

  /// Holds the handler without being counted for it. A constant, so that calls through it count no reference either.
  private final class Target {
    let handler: any LoopHandler

    init(_ handler: any LoopHandler) {
      self.handler = handler
      unsafe Unmanaged.passUnretained(handler as AnyObject).release()
    }

    deinit { _ = unsafe Unmanaged.passUnretained(handler as AnyObject).retain() }
  }

  /// Takes over the bounds among the options: connections, water marks, heads of answers, memory.
  public func adopt(_ options: Options) {
    var settings = unsafe cr_loop_options()
    unsafe options.bounds(&settings)
    unsafe cr_loop_set_bounds(raw, &settings)
  }

  // MARK: Running

  /// Runs until `handle.stop()`.
  public func run() {
    unsafe cr_loop_run(raw)
  }

  /// One turn without waiting, on the calling thread. True if anything happened.
  @discardableResult
  public func step() -> Bool {
    unsafe cr_loop_step(raw)
  }

  /// Milliseconds of the monotonic clock, read once per turn.
  public var now: UInt64 { unsafe cr_loop_now(raw) }

  public func advance(milliseconds: UInt64) { unsafe cr_loop_advance(raw, milliseconds) }

  /// Makes `token` come back through the handler's `timer`. Never 0.
  @discardableResult
  public func startTimer(milliseconds: UInt64, token: UInt64) -> UInt64 {
    unsafe cr_timer_start(raw, milliseconds, token)
  }

  public func stopTimer(_ timer: UInt64) { unsafe cr_timer_stop(raw, timer) }

  public var counts: cr_loop_counts { unsafe cr_loop_count(raw) }

  /// Client connections of all listeners.
  public var downstreamCount: Int { unsafe Int(cr_loop_count(raw).downstream) }

  /// Whether nothing new is begun now, since memory is short.
  public var isShedding: Bool { unsafe cr_loop_is_shedding(raw) }

  /// Ends client connections, those of who holds most first, until at most so many bytes are buffered. From a timer only.
  public func relieve(toBytes most: Int) { unsafe cr_loop_relieve(raw, most) }

  /// Gives a connection the word that comes back as `tag`. False if it is gone.
  @discardableResult
  public func setTag(_ connection: ConnectionID, _ tag: UInt64) -> Bool {
    unsafe cr_set_tag(raw, connection.rawValue, tag)
  }

  /// That word; 0 for a connection that has none, or is gone.
  public func tag(of connection: ConnectionID) -> UInt64 { unsafe cr_tag(raw, connection.rawValue) }

  /// Ends a connection after what is queued on it.
  public func close(_ connection: ConnectionID) { unsafe cr_close(raw, connection.rawValue) }

  /// Ends a connection at once: an unfinished answer stays visibly unfinished.
  public func abort(_ connection: ConnectionID) { unsafe cr_abort(raw, connection.rawValue) }

  /// No more of a body from this connection until `resumeReading`.
  public func pauseReading(_ connection: ConnectionID) { unsafe cr_read_pause(raw, connection.rawValue) }

  public func resumeReading(_ connection: ConnectionID) { unsafe cr_read_resume(raw, connection.rawValue) }

  /// Bytes that wait for that peer, or for the input of that child.
  public func queued(_ connection: ConnectionID) -> Int { unsafe cr_queued(raw, connection.rawValue) }

  /// Closes connections for whose peer bytes have waited for so long while it took less than `rate` bytes per second.
  /// Looks at all of them.
  public func closeStalled(after milliseconds: UInt32, rate: UInt32) {
    unsafe cr_close_stalled(raw, milliseconds, rate)
  }

  /// Gives back what is kept for the next use. From a timer only.
  public func trim() { unsafe cr_loop_trim(raw) }

  // MARK: The callback table

  /// Closures written in a nonisolated function of a library target: a call through them costs 2 ns.
  private nonisolated static var handlers: cr_handlers {
    var table = cr_handlers()
    unsafe table.request = { context, connection, head, body in
      unsafe EventLoop.handling(context) { handler in
        unsafe handler.request(ConnectionID(rawValue: connection), RequestHead(head!), body.rawSpan)
      }
    }
    unsafe table.peer_ended = { context, connection, tag in
      unsafe EventLoop.handling(context) { $0.peerEnded(ConnectionID(rawValue: connection), tag: tag) }
    }
    unsafe table.closed = { context, connection, tag, error in
      unsafe EventLoop.handling(context) {
        $0.closed(ConnectionID(rawValue: connection), tag: tag, ReactorError(error))
      }
    }
    unsafe table.drained = { context, connection, tag in
      unsafe EventLoop.handling(context) { $0.drained(ConnectionID(rawValue: connection), tag: tag) }
    }
    unsafe table.response = { context, connection, tag, head in
      unsafe EventLoop.handling(context) { handler in
        unsafe handler.response(ConnectionID(rawValue: connection), tag: tag, ResponseHead(head!))
      }
    }
    unsafe table.response_body = { context, connection, tag, piece, last, reusable in
      unsafe EventLoop.handling(context) {
        unsafe $0.responseBody(
          ConnectionID(rawValue: connection), tag: tag, piece.rawSpan, last: last, reusable: reusable)
      }
    }
    unsafe table.upstream_closed = { context, connection, tag, error, sent in
      unsafe EventLoop.handling(context) {
        $0.upstreamClosed(
          ConnectionID(rawValue: connection), tag: tag, ReactorError(error), sent: sent)
      }
    }
    unsafe table.upstream_gone = { context, connection in
      unsafe EventLoop.handling(context) { $0.upstreamGone(ConnectionID(rawValue: connection)) }
    }
    unsafe table.websocket_message = { context, connection, tag, message, binary in
      unsafe EventLoop.handling(context) {
        unsafe $0.websocketMessage(
          ConnectionID(rawValue: connection), tag: tag, message.rawSpan, binary: binary)
      }
    }
    unsafe table.websocket_opened = { context, connection, tag, head in
      unsafe EventLoop.handling(context) {
        unsafe $0.websocketOpened(ConnectionID(rawValue: connection), tag: tag, ResponseHead(head!))
      }
    }
    unsafe table.child_line = { context, child, tag, line in
      unsafe EventLoop.handling(context) {
        unsafe $0.childLine(ConnectionID(rawValue: child), tag: tag, line.rawSpan)
      }
    }
    unsafe table.child_overlong = { context, child, tag, part, ended in
      unsafe EventLoop.handling(context) {
        unsafe $0.childOverlong(ConnectionID(rawValue: child), tag: tag, part.rawSpan, ended: ended)
      }
    }
    unsafe table.child_log = { context, child, tag, line in
      unsafe EventLoop.handling(context) {
        unsafe $0.childLog(ConnectionID(rawValue: child), tag: tag, line.rawSpan)
      }
    }
    unsafe table.child_dropped = { context, child, tag, loss in
      unsafe EventLoop.handling(context) {
        $0.childDropped(ConnectionID(rawValue: child), tag: tag, ChatterLoss(loss))
      }
    }
    unsafe table.child_exited = { context, child, tag, error, status, signal in
      unsafe EventLoop.handling(context) {
        $0.childExited(
          ConnectionID(rawValue: child), tag: tag, ReactorError(error), status: status, signal: signal)
      }
    }
    unsafe table.timer = { context, token in
      unsafe EventLoop.handling(context) { $0.timer(token) }
    }
    unsafe table.mail = { context, mail in
      unsafe EventLoop.with(context) { unsafe LoopHandle.open(mail!, on: $0.executor) }
    }
    return table
  }

  @inline(__always)
  private nonisolated static func with(_ context: UnsafeMutableRawPointer?, _ body: (EventLoop) -> Void) {
    unsafe Unmanaged<EventLoop>.fromOpaque(context!)._withUnsafeGuaranteedRef { body($0) }
  }

  @inline(__always)
  private nonisolated static func handling(_ context: UnsafeMutableRawPointer?, _ body: (any LoopHandler) -> Void) {
    unsafe with(context) { loop in unsafe loop.target!._withUnsafeGuaranteedRef { body($0.handler) } }
  }
}
