import CReactor
import CWire
import Testing

/// The server's end of WebSockets that a loop opens to the host "server".
private final class Server {
  let gateway: MemoryGateway
  private(set) var peers: [MemoryClient] = []
  private var unread: [UInt8] = []

  init(_ gateway: MemoryGateway) {
    self.gateway = gateway
    let arrived: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?) -> Void = { context, peer in
      let server = Unmanaged<Server>.fromOpaque(context!).takeUnretainedValue()
      server.peers.append(MemoryClient(server.gateway, peer: peer!))
    }
    cr_memory_intercept(gateway.loop, "server", arrived, Unmanaged.passUnretained(self).toOpaque())
  }

  var peer: MemoryClient { peers.last! }

  /// Reads a request and answers it as it should be.
  func accept(_ fields: String = "", then bytes: [UInt8] = []) throws {
    let request = peer.take()
    let key = try #require(request.firstMatch(of: #/Sec-WebSocket-Key: ([^\r]*)\r\n/#)?.output.1)
    var accept = [UInt8](repeating: 0, count: 28)
    #expect(withSpans([String(key)]) { cwire_ws_accept($0[0], &accept) })
    let answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Accept: \(String(decoding: accept, as: UTF8.self))\r\n\(fields)\r\n"
    peer.send(Array(answer.utf8) + bytes)
  }

  func send(_ frames: Frame...) { peer.send(frames.flatMap { $0.bytes(masked: false) }) }

  func take() -> [Frame]? {
    unread += peer.takeBytes()
    guard let frames = Frame.take(from: &unread, masked: true), unread.isEmpty else { return nil }
    return frames
  }
}

@Suite("WebSocket client")
struct WebSocketClientTests {
  private let gateway = MemoryGateway()
  private let server: Server

  init() { server = Server(gateway) }

  private func connect(
    _ settings: WebSocketSettings = WebSocketSettings { $0.compression = false }, host: String = "server",
    protocol name: String = "", headers: String = "", timeout: UInt32 = 0
  ) -> cr_id {
    gateway.retained.append(settings)
    let id = host.withCString { host in
      withSpans(["/mcp/ws", "server:80", name, headers]) { spans in
        var endpoint = cr_endpoint(host: host, address: nil, port: 80, tls: nil, connect_timeout: timeout)
        return cr_websocket_connect(gateway.loop, &endpoint, settings.raw, spans[0], spans[1], spans[2], spans[3], 3)
      }
    }
    gateway.settle()
    return id
  }

  private var upstream: Int { Int(cr_loop_count(gateway.loop).upstream) }

  @Test("its request is exactly this, but for a key that is new each time")
  func request() throws {
    _ = connect(WebSocketSettings(), protocol: "mcp", headers: "Authorization: Bearer x\r\n")
    let key = #/Sec-WebSocket-Key: [A-Za-z0-9+\/]{22}==\r\n/#
    let first = server.peer.take()
    #expect(
      first.replacing(key, with: "KEY ")
        == "GET /mcp/ws HTTP/1.1\r\nHost: server:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Version: 13\r\nKEY Sec-WebSocket-Protocol: mcp\r\n"
        + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        + "client_max_window_bits\r\nAuthorization: Bearer x\r\n\r\n")
    _ = connect()
    let second = server.peer.take()
    #expect(second.firstMatch(of: key)?.output != first.firstMatch(of: key)?.output)
    #expect(!second.contains("Protocol"))
    #expect(!second.contains("Extensions"))
  }

  @Test("it is open with the server's answer, and what came with that is read")
  func opening() throws {
    let id = connect(protocol: "mcp")
    #expect(gateway.sendMessage(id, [1]) == CR_WRITE_STALE, "not before")
    var seen: [[UInt8]] = []
    gateway.message = { _, _, bytes, _ in seen.append(bytes) }
    try server.accept("Sec-WebSocket-Protocol: mcp\r\n", then: Frame.text("hi").bytes(masked: false))
    #expect(gateway.events == ["opened 3 101"])
    #expect(seen == [Array("hi".utf8)])
    for length in [0, 1, 200, 2049, 70_000, 200_000] {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      #expect(gateway.sendMessage(id, bytes, binary: true) != CR_WRITE_STALE)
      gateway.settle()
      let frames = try #require(server.take())
      #expect(frames.flatMap(\.payload) == bytes)
      #expect(frames[0].opcode == .binary)
      #expect(frames.map(\.final) == frames.indices.map { $0 == frames.count - 1 })
    }
    server.send(.ping("p"))
    #expect(server.take() == [.pong("p")])
    #expect(gateway.buffered == 0)
  }

  @Test("masks differ from frame to frame")
  func masks() throws {
    let id = connect()
    try server.accept()
    _ = gateway.sendMessage(id, [0, 0, 0, 0])
    _ = gateway.sendMessage(id, [0, 0, 0, 0])
    gateway.settle()
    let bytes = server.peer.takeBytes()
    #expect(bytes.count == 20)
    #expect(bytes[2..<6] != bytes[12..<16])
  }

  @Test(
    "another answer is told by its status",
    arguments: [
      "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n",
    ])
  func refused(answer: String) throws {
    _ = connect()
    server.peer.send(answer)
    let status = try #require(Int32(answer.components(of: "HTTP/1.1 ").last!.prefix(3)))
    #expect(gateway.events == ["upstream closed 3"])
    #expect(gateway.errors == [.webSocket(status)])
    #expect(upstream == 0)
  }

  @Test(
    "a 101 that breaks the rules is none",
    arguments: [
      ("Sec-WebSocket-Extensions: permessage-deflate\r\n", ""), ("Sec-WebSocket-Protocol: other\r\n", "mcp"),
      ("Sec-WebSocket-Protocol: mcp\r\n", ""), ("Sec-WebSocket-Accept: AAAA\r\n", ""),
    ])
  func broken(field: String, offered: String) throws {
    _ = connect(protocol: offered)
    try server.accept(field)
    #expect(gateway.errors == [.webSocket(101)])
    #expect(upstream == 0)
  }

  @Test("a wrong key, or no upgrade, is refused")
  func wrongAccept() throws {
    for lines in [
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
      "Connection: Upgrade\r\n", "Upgrade: h2c\r\nConnection: Upgrade\r\n",
    ] {
      _ = connect()
      server.peer.send("HTTP/1.1 101 Switching Protocols\r\n\(lines)\r\n")
      #expect(gateway.errors.last == .webSocket(101))
    }
    #expect(upstream == 0)
  }

  @Test("the time to connect includes the handshake, and ends with it")
  func timeout() throws {
    _ = connect(timeout: 1000)
    gateway.advance(999)
    #expect(gateway.errors == [])
    gateway.advance(1)
    #expect(gateway.errors == [.reason(CR_REASON_TIMED_OUT)])
    _ = connect(timeout: 1000)
    try server.accept()
    gateway.advance(20_000)
    #expect(upstream == 1)
  }

  @Test("an end before the answer, and no server at all, are told")
  func noAnswer() throws {
    _ = connect()
    server.peer.end()
    #expect(gateway.errors == [.reason(CR_REASON_PEER_CLOSED)])
    cr_memory_intercept(gateway.loop, "nowhere", nil, nil)
    #expect(connect(host: "nowhere") != 0)
    #expect(gateway.events == ["upstream closed 3", "upstream closed 3"])
  }

  @Test("a masked frame from a server breaks the rules")
  func maskedServer() throws {
    _ = connect()
    try server.accept()
    server.peer.send(Frame.text("x").bytes(masked: true))
    #expect(server.take() == [.close(1002)])
    server.peer.end()
    #expect(gateway.errors == [.webSocket(1002)])
    #expect(upstream == 0)
  }

  @Test("the server closes: its frame is answered, and TCP is left to it for a while", arguments: [true, false])
  func closedByServer(ends: Bool) throws {
    _ = connect()
    try server.accept()
    server.send(.close(1001, "restart"))
    #expect(server.take() == [.close(1001)])
    #expect(upstream == 1)
    if ends { server.peer.end() } else { gateway.advance(5_000) }
    #expect(upstream == 0)
    #expect(gateway.events == ["opened 3 101", "upstream closed 3"])
    #expect(gateway.errors == [.reason(CR_REASON_PEER_CLOSED)])
    #expect(gateway.closeCodes == [1001])
  }

  @Test("policy closes, and hears nothing more")
  func closedByPolicy() throws {
    let id = connect()
    try server.accept()
    gateway.close(id, 1000, "done")
    gateway.settle()
    #expect(server.take() == [.close(1000, "done")])
    server.send(.text("x"), .close(1000))
    #expect(upstream == 1)
    server.peer.end()
    #expect(upstream == 0)
    let early = connect()
    cr_close(gateway.loop, early)
    gateway.settle()
    #expect(upstream == 0)
    #expect(gateway.events == ["opened 3 101"])
  }

  // MARK: Our client against our server

  @Test(
    "both sides understand each other, deflated and not, whatever the transport does",
    arguments: [
      cr_fault_plan(max_write: 0, again_every: 0, reset_after: 0),
      cr_fault_plan(max_write: 7, again_every: 3, reset_after: 0),
      cr_fault_plan(max_write: 5000, again_every: 2, reset_after: 0),
    ], [true, false])
  func pair(faults: cr_fault_plan, compression: Bool) throws {
    let settings = WebSocketSettings {
      $0.compression = compression
      $0.max_frame = 4000
    }
    gateway.acceptWebSockets(settings, protocol: "mcp")
    let id = connect(settings, protocol: "mcp")
    let near = server.peer
    let far = try #require(MemoryClient(gateway, faults: faults))
    /// Carries bytes between the two until neither has any.
    func pump() {
      while true {
        gateway.settle()
        let there = near.takeBytes()
        let back = far.takeBytes()
        if there.isEmpty && back.isEmpty { return }
        far.send(there)
        near.send(back)
      }
    }
    pump()
    #expect(gateway.events == ["opened 3 101"])
    let server = try #require(gateway.connections.last)
    var heard: [[UInt8]] = []
    gateway.message = { gateway, from, bytes, binary in
      if from == id { heard.append(bytes) } else { _ = gateway.sendMessage(from, bytes, binary: binary) }
    }
    let messages = [0, 1, 1000, 1025, 40_000].map { length in
      Array(String(repeating: "to and fro ", count: length / 11 + 1).utf8.prefix(length))
    }
    for message in messages { #expect(gateway.sendMessage(id, message) != CR_WRITE_STALE) }
    pump()
    #expect(heard == messages)
    gateway.close(server, 1001)
    pump()
    #expect(far.ended)
    near.end()
    #expect(upstream == 0)
    #expect(gateway.open == 0)
    #expect(gateway.closeCodes == [1001])
    #expect(gateway.buffered == 0)
  }
}

extension String {
  fileprivate func components(of separator: String) -> [Substring] { split(separator: separator) }
}
