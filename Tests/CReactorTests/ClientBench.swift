import CReactor
import CReactorPeers
import Foundation

/// A loop whose client connections and children are recorded, by tag. Used from one thread.
final class ClientBench {
  struct Answer: Equatable {
    var status = 0
    var body = [UInt8]()
    var pieces = 0
    var isComplete = false
    var isReusable = false

    var text: String { String(decoding: body, as: UTF8.self) }
  }

  struct End: Equatable {
    var domain: UInt16
    var code: Int32
    var text: String
    var sent = false
    var status: Int64 = 0
    var signal: Int32 = 0
  }

  struct Dropped: Equatable {
    var lines: UInt64
    var bytes: UInt64
    var cut: UInt64 = 0
  }

  private(set) var answers = [UInt64: [Answer]]()
  private(set) var lines = [UInt64: [String]]()
  /// What was told of lines that were too long.
  private(set) var overlong = [UInt64: [String]]()
  private(set) var logs = [UInt64: [String]]()
  /// What was told to be left out of what a child said beside messages.
  private(set) var dropped = [UInt64: [Dropped]]()
  private(set) var ends = [UInt64: End]()
  private(set) var gone = [cr_id]()
  private(set) var drained = Set<UInt64>()
  /// Runs within the handlers of these events.
  var onHead: ((cr_id) -> Void)?
  var onPiece: ((cr_id, _ last: Bool) -> Void)?
  var onLine: ((cr_id, _ length: Int) -> Void)?

  private(set) var loop: OpaquePointer!

  init(manualClock: Bool = false, worker: UInt8 = 0, reaper: OpaquePointer? = nil) {
    var options = cr_loop_options()
    options.worker = worker
    options.max_connections = 64
    options.manual_clock = manualClock
    options.reaper = reaper
    var handlers = Self.handlers
    let error = cr_loop_create(&loop, &options, &handlers, Unmanaged.passUnretained(self).toOpaque())
    precondition(error.domain == 0, "no loop")
  }

  deinit { destroy() }

  func destroy() {
    if let loop { cr_loop_destroy(loop) }
    loop = nil
  }

  /// Turns the loop until `condition` holds. The suite's time limit is what ends a wait in vain.
  func run(until condition: () -> Bool) {
    while !condition() && !Task.isCancelled {
      if !cr_loop_step(loop) { poll(nil, 0, 1) }
    }
  }

  func connect(
    to port: UInt16, host: String = "127.0.0.1", address: String? = nil, tls: OpaquePointer? = nil, timeout: UInt32 = 0,
    tag: UInt64 = 1
  ) -> cr_id {
    host.withCString { host in
      var endpoint = cr_endpoint(host: host, address: nil, port: port, tls: tls, connect_timeout: timeout)
      guard let address else { return cr_http_connect(loop, &endpoint, tag) }
      return address.withCString { address in
        endpoint.address = address
        return cr_http_connect(loop, &endpoint, tag)
      }
    }
  }

  @discardableResult
  func send(_ id: cr_id, _ path: String, method: String = "POST", body: [UInt8] = []) -> cr_write {
    let head = Array("\(method) \(path) HTTP/1.1\r\nHost: peer\r\nContent-Length: \(body.count)\r\n\r\n".utf8)
    return head.withUnsafeBufferPointer { head in
      body.withUnsafeBufferPointer { body in
        let pieces = [
          cwire_span(base: head.baseAddress, length: head.count),
          cwire_span(base: body.baseAddress, length: body.count),
        ]
        return cr_http_send(loop, id, pieces, pieces.count, method == "HEAD")
      }
    }
  }

  /// Sends and waits for the whole answer, or for the end of the connection.
  func exchange(_ id: cr_id, _ path: String, method: String = "POST", body: [UInt8] = [], tag: UInt64 = 1) -> Answer? {
    let before = answers[tag]?.count ?? 0
    guard send(id, path, method: method, body: body) != CR_WRITE_STALE else { return nil }
    run { ends[tag] != nil || ((answers[tag]?.count ?? 0) > before && answers[tag]!.last!.isComplete) }
    return (answers[tag]?.count ?? 0) > before ? answers[tag]!.last : nil
  }

  func start(
    _ arguments: [String], environment: [String] = ["PATH=/usr/bin:/bin"], directory: String? = nil,
    maxLine: Int = 1 << 20, grace: UInt32 = 2000, chatter: (rate: UInt64, burst: UInt64) = (0, 0), tag: UInt64 = 1,
    _ more: (inout cr_child_options) -> Void = { _ in }
  ) -> cr_id {
    withCStrings(arguments) { arguments in
      withCStrings(environment) { environment in
        let directory = directory.map { strdup($0)! }
        defer { free(directory) }
        var options = cr_child_options()
        options.arguments = arguments
        options.environment = environment
        options.directory = UnsafePointer(directory)
        options.max_line = maxLine
        options.grace = grace
        options.chatter_rate = chatter.rate
        options.chatter_burst = chatter.burst
        more(&options)
        return cr_child_start(loop, &options, tag)
      }
    }
  }

  func shell(_ script: String, maxLine: Int = 1 << 20, grace: UInt32 = 2000, tag: UInt64 = 1) -> cr_id {
    start(["sh", "-c", script], maxLine: maxLine, grace: grace, tag: tag)
  }

  @discardableResult
  func write(_ id: cr_id, _ text: String) -> cr_write {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      var piece = cwire_span(base: bytes.baseAddress, length: bytes.count)
      return cr_child_write(loop, id, &piece, 1)
    }
  }

  private func withCStrings<R>(_ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R) -> R {
    let copies = strings.map { UnsafePointer(strdup($0)) } + [nil]
    defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
    return copies.withUnsafeBufferPointer { body($0.baseAddress!) }
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> ClientBench {
    Unmanaged<ClientBench>.fromOpaque(context!).takeUnretainedValue()
  }

  private static func end(_ error: cr_error) -> End {
    var text = [CChar](repeating: 0, count: 200)
    let length = cr_error_text(error, &text, Int32(text.count))
    let bytes = text.prefix(Int(length)).map { UInt8(bitPattern: $0) }
    return End(domain: error.domain, code: error.code, text: String(decoding: bytes, as: UTF8.self))
  }

  private static func string(_ span: cwire_span) -> String {
    String(decoding: UnsafeBufferPointer(start: span.base, count: span.length), as: UTF8.self)
  }

  private static let handlers: cr_handlers = {
    var handlers = cr_handlers()
    handlers.response = { context, id, tag, head in
      let bench = ClientBench.of(context)
      bench.answers[tag, default: []].append(Answer(status: Int(head!.pointee.status)))
      bench.onHead?(id)
    }
    handlers.response_body = { context, id, tag, piece, last, reusable in
      let bench = ClientBench.of(context)
      let index = bench.answers[tag]!.count - 1
      bench.answers[tag]![index].body += UnsafeBufferPointer(start: piece.base, count: piece.length)
      bench.answers[tag]![index].pieces += 1
      bench.answers[tag]![index].isComplete = last
      bench.answers[tag]![index].isReusable = reusable
      bench.onPiece?(id, last)
    }
    handlers.upstream_closed = { context, _, tag, error, sent in
      var end = ClientBench.end(error)
      end.sent = sent
      ClientBench.of(context).ends[tag] = end
    }
    handlers.upstream_gone = { context, id in ClientBench.of(context).gone.append(id) }
    handlers.child_line = { context, id, tag, line in
      let bench = ClientBench.of(context)
      bench.lines[tag, default: []].append(ClientBench.string(line))
      bench.onLine?(id, line.length)
    }
    handlers.child_overlong = { context, _, tag, part, ended in
      ClientBench.of(context).overlong[tag, default: []].append(
        (ended ? "ends " : "begins ") + ClientBench.string(part))
    }
    handlers.child_log = { context, _, tag, line in
      ClientBench.of(context).logs[tag, default: []].append(ClientBench.string(line))
    }
    handlers.child_dropped = { context, _, tag, loss in
      ClientBench.of(context).dropped[tag, default: []].append(
        Dropped(lines: loss.lines, bytes: loss.bytes, cut: loss.cut))
    }
    handlers.child_exited = { context, _, tag, error, status, signal in
      var end = ClientBench.end(error)
      end.status = status
      end.signal = signal
      ClientBench.of(context).ends[tag] = end
    }
    handlers.drained = { context, _, tag in ClientBench.of(context).drained.insert(tag) }
    return handlers
  }()
}

/// A blocking server with scripted answers; see `CReactorPeers.h`.
final class Peer {
  private let peer: OpaquePointer

  struct Reply {
    var path: String
    var bytes: String
    var slice = 0
    var thenClose = false
  }

  struct Certificates {
    let folder: URL

    /// Made once per suite; removed by nobody but the system.
    init() {
      folder = FileManager.default.temporaryDirectory.appending(path: "sluice-\(UUID().uuidString)")
      try! FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      precondition(peer_certificates_make(folder.path), "no certificates")
    }

    func path(_ file: String) -> String { folder.appending(path: file).path }
  }

  init(
    _ replies: [Reply] = [], certificate: (Certificates, String)? = nil, clientCA: String? = nil, oldTLS: Bool = false,
    newKeys: UInt32 = 0
  ) {
    var strings = [UnsafeMutablePointer<CChar>]()
    defer { for string in strings { free(string) } }
    func c(_ text: String?) -> UnsafePointer<CChar>? {
      guard let text else { return nil }
      strings.append(strdup(text))
      return UnsafePointer(strings.last!)
    }
    let scripted = replies.map {
      peer_reply(
        path: c($0.path), bytes: c($0.bytes), length: $0.bytes.utf8.count, slice: $0.slice, then_close: $0.thenClose)
    }
    peer = scripted.withUnsafeBufferPointer { scripted in
      var options = peer_options(
        replies: scripted.baseAddress, count: scripted.count,
        certificate: c(certificate.map { $0.0.path("\($0.1).pem") }),
        key: c(certificate.map { $0.0.path("\($0.1).key") }), client_ca: c(clientCA), old_tls: oldTLS,
        new_keys: newKeys)
      return peer_start(&options)
    }
  }

  deinit { peer_stop(peer) }

  var port: UInt16 { peer_port(peer) }
  var accepted: UInt32 { peer_accepted(peer) }
}
