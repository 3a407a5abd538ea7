import CReactor
import CWire

/// What a scripted policy saw of one request.
struct SeenRequest: Equatable {
  var method: String
  var target: String
  var body: String
}

func text(_ span: cwire_span) -> String {
  String(decoding: UnsafeBufferPointer(start: span.base, count: span.length), as: UTF8.self)
}

/// Calls `body` with spans over the strings, which live until it returns.
func withSpans<Result>(_ strings: [String], _ body: ([cwire_span]) -> Result) -> Result {
  let bytes = strings.map { Array($0.utf8) }
  let flat = Array(bytes.joined()) + [0]
  return flat.withUnsafeBufferPointer { buffer in
    var start = 0
    var spans: [cwire_span] = []
    for piece in bytes {
      spans.append(cwire_span(base: buffer.baseAddress! + start, length: piece.count))
      start += piece.count
    }
    return body(spans)
  }
}

/// A loop with a manual clock, a listener in memory and a policy made of closures: a whole server in one thread.
final class MemoryGateway {
  let loop: OpaquePointer
  let listener: OpaquePointer
  var requests: [SeenRequest] = []
  var connections: [cr_id] = []
  /// The other handlers' calls, in order: "closed 7", "drained 7", "peer ended 7", "timer 3".
  var events: [String] = []
  var errors: [ReactorFault] = []
  var answer: (MemoryGateway, cr_id, SeenRequest) -> Void = { gateway, id, request in
    gateway.reply(id, body: request.body.isEmpty ? "ok" : request.body)
  }

  /// Called instead of `answer` if it is set: the head dies with the call.
  var upgrade: ((MemoryGateway, cr_id, UnsafePointer<cwire_http1_head>) -> Void)?
  /// What must live as long as the loop.
  var retained: [AnyObject] = []
  /// Called with each message of a WebSocket, of either side.
  var message: (MemoryGateway, cr_id, [UInt8], _ binary: Bool) -> Void = { _, _, _, _ in }
  /// The close code that the end of a WebSocket was told with, in order.
  var closeCodes: [UInt32] = []

  init(
    limits change: (inout cr_http_limits) -> Void = { _ in },
    options changeOptions: (inout cr_loop_options) -> Void = { _ in }
  ) {
    var options = cr_loop_options()
    options.worker = 5
    options.max_connections = 100
    options.manual_clock = true
    changeOptions(&options)
    var handlers = cr_handlers()
    handlers.request = { context, id, head, body in
      let gateway = MemoryGateway.of(context)
      let request = SeenRequest(
        method: text(head!.pointee.method_text), target: text(head!.pointee.target), body: text(body))
      gateway.requests.append(request)
      gateway.connections.append(id)
      if let upgrade = gateway.upgrade { upgrade(gateway, id, head!) } else { gateway.answer(gateway, id, request) }
    }
    handlers.closed = { context, id, tag, error in
      let gateway = MemoryGateway.of(context)
      gateway.events.append("closed \(tag)")
      gateway.errors.append(ReactorFault(error))
      let code = cr_websocket_close_code(gateway.loop, id)
      if code != 0 { gateway.closeCodes.append(code) }
    }
    handlers.upstream_closed = { context, id, tag, error, _ in
      let gateway = MemoryGateway.of(context)
      gateway.events.append("upstream closed \(tag)")
      gateway.errors.append(ReactorFault(error))
      let code = cr_websocket_close_code(gateway.loop, id)
      if code != 0 { gateway.closeCodes.append(code) }
    }
    handlers.websocket_message = { context, id, _, message, binary in
      let gateway = MemoryGateway.of(context)
      gateway.message(gateway, id, Array(UnsafeBufferPointer(start: message.base, count: message.length)), binary)
    }
    handlers.websocket_opened = { context, _, tag, head in
      MemoryGateway.of(context).events.append("opened \(tag) \(head!.pointee.status)")
    }
    handlers.peer_ended = { context, _, tag in MemoryGateway.of(context).events.append("peer ended \(tag)") }
    handlers.drained = { context, _, tag in MemoryGateway.of(context).events.append("drained \(tag)") }
    handlers.timer = { context, token in MemoryGateway.of(context).events.append("timer \(token)") }
    let box = UnsafeMutablePointer<Unmanaged<MemoryGateway>?>.allocate(capacity: 1)
    box.initialize(to: nil)
    context = box
    var created: OpaquePointer?
    let error = cr_loop_create(&created, &options, &handlers, box)
    precondition(cr_failed(error) == 0)
    loop = created!
    var limits = cr_http_limits_default()
    change(&limits)
    listener = cr_memory_listen(loop, 9, &limits)
    box.pointee = Unmanaged.passUnretained(self)
  }

  private let context: UnsafeMutablePointer<Unmanaged<MemoryGateway>?>

  private static func of(_ context: UnsafeMutableRawPointer?) -> MemoryGateway {
    context!.assumingMemoryBound(to: Unmanaged<MemoryGateway>?.self).pointee!.takeUnretainedValue()
  }

  deinit {
    cr_loop_destroy(loop)
    context.deallocate()
  }

  /// Steps until nothing happens any more.
  func settle() {
    var turns = 0
    while cr_loop_step(loop), turns < 100_000 { turns += 1 }
  }

  func advance(_ milliseconds: UInt64) {
    cr_loop_advance(loop, milliseconds)
    settle()
  }

  var open: Int { Int(cr_loop_count(loop).downstream) }

  /// Has a stalled peer take about a KiB.
  func sip(_ peer: OpaquePointer) {
    var slowly = cr_fault_plan(max_write: 128, again_every: 0, reset_after: 0)
    cr_memory_peer_plan(peer, &slowly)
    cr_memory_peer_stall(peer, false)
    cr_loop_step(loop)
    cr_memory_peer_stall(peer, true)
  }

  @discardableResult
  func reply(
    _ id: cr_id, status: UInt16 = 200, type: String = "text/plain", headers: String = "", body: String...,
    close: Bool = false
  ) -> cr_write {
    withReply(status, type, headers, body, close) { cr_http_reply(loop, id, $0) }
  }

  @discardableResult
  func beginStream(_ id: cr_id, status: UInt16 = 200, type: String = "text/event-stream") -> cr_write {
    withReply(status, type, "", [], false) { cr_http_stream_begin(loop, id, $0) }
  }

  @discardableResult
  func write(_ id: cr_id, _ pieces: String...) -> cr_write {
    withSpans(pieces) { cr_http_stream_write(loop, id, $0, $0.count, CR_GATHERED) }
  }

  private func withReply(
    _ status: UInt16, _ type: String, _ headers: String, _ body: [String], _ close: Bool,
    _ use: (UnsafePointer<cr_reply>) -> cr_write
  ) -> cr_write {
    withSpans([type, headers] + body) { spans in
      spans[2...].withUnsafeBufferPointer { pieces in
        var reply = cr_reply(
          status: status, close: close, content_type: spans[0], headers: spans[1], body: pieces.baseAddress,
          body_count: pieces.count)
        return use(&reply)
      }
    }
  }
}

/// The far end of a connection to a `MemoryGateway`.
final class MemoryClient {
  private let gateway: MemoryGateway
  private let peer: OpaquePointer
  private(set) var bytes: [UInt8] = []
  var output: String {
    drain()
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Nil when the gateway turned the connection away.
  init?(_ gateway: MemoryGateway, faults: cr_fault_plan = cr_fault_plan()) {
    var faults = faults
    guard let peer = cr_memory_accept(gateway.loop, gateway.listener, &faults) else { return nil }
    self.gateway = gateway
    self.peer = peer
    gateway.settle()
  }

  /// The far end of a client connection.
  init(_ gateway: MemoryGateway, peer: OpaquePointer) {
    self.gateway = gateway
    self.peer = peer
  }

  deinit { cr_memory_peer_free(peer) }

  func send(_ string: String) {
    withSpans([string]) { cr_memory_peer_send(peer, $0[0]) }
    gateway.settle()
  }

  func sendWithoutSettling(_ string: String) {
    withSpans([string]) { cr_memory_peer_send(peer, $0[0]) }
  }

  func send(_ bytes: [UInt8]) {
    sendWithoutSettling(bytes)
    gateway.settle()
  }

  func sendWithoutSettling(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { cr_memory_peer_send(peer, cwire_span(base: $0.baseAddress, length: $0.count)) }
  }

  func end() {
    cr_memory_peer_end(peer)
    gateway.settle()
  }

  func reset() {
    cr_memory_peer_reset(peer)
    gateway.settle()
  }

  /// Takes nothing any more of what the gateway writes.
  func stall() { cr_memory_peer_stall(peer, true) }
  /// Takes about a KiB of it, and no more until the next call.
  func sip() { gateway.sip(peer) }

  /// Takes again, but accepts at most so many bytes that nobody has taken from it.
  func accept(_ bytes: Int) {
    cr_memory_peer_window(peer, bytes)
    cr_memory_peer_stall(peer, false)
    gateway.settle()
  }

  /// How often the gateway has tried to write to it.
  var writes: UInt32 { cr_memory_peer_writes(peer) }

  var ended: Bool {
    drain()
    return cr_memory_peer_ended(peer)
  }

  /// All that came since the last call, without the Date lines.
  func take() -> String {
    String(decoding: takeBytes(), as: UTF8.self).replacing(#/Date: [^\r]*\r\n/#, with: "")
  }

  func takeBytes() -> [UInt8] {
    drain()
    defer { bytes = [] }
    return bytes
  }

  private func drain() {
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = cr_memory_peer_take(peer, &buffer, buffer.count)
      guard count > 0 else { return }
      bytes += buffer[..<count]
    }
  }
}

/// Whether a connection's id is stale.
func isStale(_ gateway: MemoryGateway, _ id: cr_id) -> Bool {
  !cr_set_tag(gateway.loop, id, 1)
}
