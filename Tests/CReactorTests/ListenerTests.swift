import CReactor
import CReactorPeers
import CWire
import Foundation
import Testing

/// A loop on real sockets that is stepped by the test and answers every request with its label.
private final class SocketGateway {
  private(set) var loop: OpaquePointer!
  private(set) var listener: OpaquePointer?

  /// The pieces of every answer's body; empty: the worker's number.
  var answer: [String] = []

  init(
    group: OpaquePointer? = nil, worker: UInt8, port: UInt16, manualClock: Bool = false,
    limits change: (inout cr_http_limits) -> Void = { _ in }
  ) {
    var options = cr_loop_options()
    options.worker = worker
    options.max_connections = 100
    options.manual_clock = manualClock
    var handlers = cr_handlers()
    handlers.request = { context, id, _, _ in
      let gateway = Unmanaged<SocketGateway>.fromOpaque(context!).takeUnretainedValue()
      withSpans(gateway.answer.isEmpty ? ["worker \(id >> 56)"] : gateway.answer) { spans in
        spans.withUnsafeBufferPointer { pieces in
          var reply = cr_reply()
          reply.status = 200
          reply.body = pieces.baseAddress
          reply.body_count = pieces.count
          cr_http_reply(gateway.loop, id, &reply)
        }
      }
    }
    let error = cr_loop_create(&loop, &options, &handlers, Unmanaged.passUnretained(self).toOpaque())
    precondition(cr_failed(error) == 0)
    var limits = cr_http_limits_default()
    change(&limits)
    let started = cr_listener_start(&listener, loop, group, "127.0.0.1", port, 3, &limits)
    precondition(cr_failed(started) == 0)
  }

  deinit { cr_loop_destroy(loop) }

  var counts: cr_loop_counts { cr_loop_count(loop) }
}

/// Ports that listeners with SO_REUSEPORT may share and nobody else gets meanwhile: each is held, unheard, by a socket
/// of its own until the process ends.
private enum HeldPort {
  static func take() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    try #require(descriptor >= 0)
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    try #require(bound)
    return UInt16(bigEndian: address.sin_port)
  }
}

/// A blocking client socket with a limit on how long it waits.
private final class Socket {
  private let descriptor: Int32

  /// - Parameter window: the size of its receive buffer, if not the kernel's choice.
  init?(port: UInt16, window: Int32? = nil) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var window {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &window, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if connected != 0 { return nil }
  }

  deinit { close(descriptor) }

  func send(_ string: String) {
    let bytes = Array(string.utf8)
    _ = Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// What is there now; nil at the end of the stream.
  func receive() -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    if count == 0 { return nil }
    return count < 0 ? "" : String(decoding: buffer[..<count], as: UTF8.self)
  }
}

private let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

@Suite("Listener", .serialized)
struct ListenerTests {
  /// Steps the loops until the condition holds, or too many turns have passed.
  private func step(_ gateways: [SocketGateway], until condition: () -> Bool) -> Bool {
    for _ in 0..<200_000 {
      for gateway in gateways { cr_loop_step(gateway.loop) }
      if condition() { return true }
    }
    return false
  }

  @Test("a second instance on a port is told who holds it")
  func holder() throws {
    var port = try HeldPort.take()
    let gateway = SocketGateway(worker: 1, port: port)
    var holder = [CChar](repeating: 0, count: 64)
    let error = cr_listener_probe("127.0.0.1", &port, &holder, holder.count)
    #expect(error.domain == UInt16(CR_DOMAIN_UV.rawValue))
    #expect(error.code == -EADDRINUSE)
    let text = holder.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    #expect(text.hasPrefix("pid \(getpid()) ("))
    _ = gateway.counts
  }

  @Test("a name that does not resolve is an error of the resolver")
  func badHost() {
    var port: UInt16 = 0
    var holder = [CChar](repeating: 0, count: 64)
    let error = cr_listener_probe("no such host", &port, &holder, holder.count)
    #expect(error.domain == UInt16(CR_DOMAIN_RESOLVER.rawValue))
  }

  @Test("both families can be listened to", arguments: ["127.0.0.1", "::1", "[::1]", "localhost", ""])
  func families(host: String) {
    var port: UInt16 = 0
    var holder = [CChar](repeating: 0, count: 64)
    #expect(cr_failed(cr_listener_probe(host, &port, &holder, holder.count)) == 0)
    #expect(port != 0)
  }

  @Test("a request over a socket is answered")
  func answer() throws {
    let port = try HeldPort.take()
    let gateway = SocketGateway(worker: 4, port: port)
    let client = try #require(Socket(port: port))
    client.send(get)
    var output = ""
    #expect(
      step([gateway]) {
        output += client.receive() ?? ""
        return output.hasSuffix("worker 4")
      })
    #expect(output.hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(gateway.counts.accepted == 1)
  }

  @Test("connections that all arrive at one loop of a group are passed on to the least crowded")
  func passedOn() throws {
    let port = try HeldPort.take()
    let group = cr_group_make(2)!
    let idlePort = try HeldPort.take()
    var clients: [Socket] = []
    do {
      // The second loop listens elsewhere, so that the kernel gives it nothing.
      let crowded = SocketGateway(group: group, worker: 1, port: port)
      let idle = SocketGateway(group: group, worker: 2, port: idlePort)
      for count in 1...60 {
        clients.append(try #require(Socket(port: port)))
        #expect(step([crowded, idle]) { crowded.counts.accepted + idle.counts.accepted == UInt64(count) })
      }
      #expect(crowded.counts.passed_on == idle.counts.accepted)
      #expect((12...30).contains(idle.counts.downstream))
      #expect(crowded.counts.downstream + idle.counts.downstream == 60)
      for client in clients { client.send(get) }
      var output = Array(repeating: "", count: 60)
      #expect(
        step([crowded, idle]) {
          for (index, client) in clients.enumerated() { output[index] += client.receive() ?? "" }
          return output.allSatisfy { $0.contains("worker") }
        })
      #expect(output.filter { $0.hasSuffix("worker 2") }.count == Int(idle.counts.downstream))
      clients = []
      #expect(step([crowded, idle]) { crowded.counts.downstream + idle.counts.downstream == 0 })
    }
    cr_group_free(group)
  }

  @Test("a connection beyond the cap is told 503 and when to come again")
  func cap() throws {
    let port = try HeldPort.take()
    let gateway = SocketGateway(worker: 1, port: port) { $0.max_connections = 1 }
    let first = try #require(Socket(port: port))
    #expect(step([gateway]) { gateway.counts.accepted == 1 })
    let second = try #require(Socket(port: port))
    second.send(get)
    var output = ""
    #expect(
      step([gateway]) {
        guard let piece = second.receive() else { return true }
        output += piece
        return false
      })
    #expect(output.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
    #expect(output.contains("\r\nRetry-After: 1\r\n"))
    #expect(gateway.counts.rejected == 1)
    #expect(gateway.counts.downstream == 1)
    _ = first
  }

  @Test("limits count the connections of all loops of a group", arguments: [true, false])
  func sharedLimits(byAddress: Bool) throws {
    let ports = [try HeldPort.take(), try HeldPort.take()]
    let group = cr_group_make(2)!
    do {
      let gateways = ports.enumerated().map { index, port in
        SocketGateway(group: group, worker: UInt8(index + 1), port: port) {
          if byAddress { $0.per_address = 3 } else { $0.max_connections = 3 }
        }
      }
      func accepted() -> UInt64 { gateways.reduce(0) { $0 + $1.counts.accepted } }
      func rejected() -> UInt64 { gateways.reduce(0) { $0 + $1.counts.rejected } }
      var clients: [Socket] = []
      for (count, port) in [ports[0], ports[0], ports[1]].enumerated() {
        clients.append(try #require(Socket(port: port)))
        #expect(step(gateways) { accepted() == UInt64(count + 1) })
      }
      for (count, port) in ports.enumerated() {
        let beyond = try #require(Socket(port: port))
        beyond.send(get)
        var output = ""
        #expect(
          step(gateways) {
            guard let piece = beyond.receive() else { return true }
            output += piece
            return false
          })
        #expect(output.contains("\r\nRetry-After: 1\r\n"))
        #expect(rejected() == UInt64(count + 1))
      }
      clients.removeFirst()
      #expect(step(gateways) { gateways.reduce(0) { $0 + $1.counts.downstream } == 2 })
      clients.append(try #require(Socket(port: ports[1])))
      #expect(step(gateways) { accepted() == 4 })
    }
    cr_group_free(group)
  }

  @Test("a reader that stops is closed once its time is over, one that keeps a pace is not", arguments: [true, false])
  func leastRate(keepsPace: Bool) throws {
    let port = try HeldPort.take()
    let gateway = SocketGateway(worker: 1, port: port, manualClock: true)
    gateway.answer = [String](repeating: String(repeating: "x", count: 1 << 20), count: 16)
    let client = try #require(Socket(port: port, window: 4096))
    client.send(get)
    #expect(step([gateway]) { gateway.counts.accepted == 1 && gateway.counts.bytes_out > 0 })
    // What fits into the kernel's buffers has moved when the first time begins.
    for _ in 0..<1000 { cr_loop_step(gateway.loop) }
    cr_close_stalled(gateway.loop, 1000, 512)
    for _ in 0..<5 {
      if keepsPace {
        var read = 0
        #expect(
          step([gateway]) {
            read += client.receive()?.utf8.count ?? 0
            return read > 1 << 17
          })
      }
      cr_loop_advance(gateway.loop, 1000)
      cr_loop_step(gateway.loop)
      cr_close_stalled(gateway.loop, 1000, 512)
    }
    #expect(step([gateway]) { gateway.counts.downstream == (keepsPace ? 1 : 0) })
  }

  @Test("one that is held stays so when there are descriptors again")
  func starved() {
    var found = peer_starved()
    #expect(peer_listener_starved(&found))
    #expect(found.while_held == 0)
    #expect(found.after == 1)
  }

  @Test("stopping a listener serves what the kernel had queued and leaves connections alone")
  func stop() throws {
    let port = try HeldPort.take()
    let gateway = SocketGateway(worker: 1, port: port)
    let queued = try #require(Socket(port: port))
    cr_listener_stop(gateway.listener)
    queued.send(get)
    var output = ""
    #expect(
      step([gateway]) {
        output += queued.receive() ?? ""
        return output.hasSuffix("worker 1")
      })
    #expect(Socket(port: port) == nil)
  }
}
