import CReactor
import CWire
import Testing

private let answerStart =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
  + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

private func plan(_ most: UInt32, _ again: UInt32) -> cr_fault_plan {
  cr_fault_plan(max_write: most, again_every: again, reset_after: 0)
}

@Suite("WebSocket server: handshake and messages")
struct WebSocketServerTests {
  private let gateway = MemoryGateway()

  @Test("the answer to a handshake is exactly this")
  func exactAnswer() throws {
    gateway.acceptWebSockets(protocol: "mcp", headers: "X-A: b\r\n")
    let peer = try #require(WebSocketPeer(gateway, fields: "Sec-WebSocket-Protocol: other, mcp\r\n"))
    #expect(peer.answer == answerStart + "Sec-WebSocket-Protocol: mcp\r\nX-A: b\r\n\r\n")
    #expect(peer.take() == [])
    let other = try #require(WebSocketPeer(gateway, fields: "Sec-WebSocket-Protocol: other\r\n"))
    #expect(other.answer == answerStart + "X-A: b\r\n\r\n", "no protocol is named that was not offered")
  }

  @Test(
    "a request that is no handshake is refused, and another may follow",
    arguments: [
      ("POST", "Upgrade: websocket", "13", "dGhlIHNhbXBsZSBub25jZQ==", "405 Method Not Allowed", "Allow: GET"),
      ("GET", "X: y", "13", "dGhlIHNhbXBsZSBub25jZQ==", "426 Upgrade Required", "Sec-WebSocket-Version: 13"),
      (
        "GET", "Upgrade: websocket", "8", "dGhlIHNhbXBsZSBub25jZQ==", "426 Upgrade Required",
        "Sec-WebSocket-Version: 13"
      ),
      ("GET", "Upgrade: websocket", "13", "short", "400 Bad Request", "Content-Length"),
    ])
  func refusals(_ request: (String, String, String, String, String, String)) throws {
    gateway.acceptWebSockets()
    let client = try #require(MemoryClient(gateway))
    let (method, upgrade, version, key, status, field) = request
    client.send(
      "\(method) / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\(upgrade)\r\n"
        + "Sec-WebSocket-Version: \(version)\r\nSec-WebSocket-Key: \(key)\r\n\r\n")
    let answer = client.take()
    #expect(answer.hasPrefix("HTTP/1.1 \(status)\r\n"))
    #expect(answer.contains("\r\n\(field)"))
    #expect(!client.ended)
    client.send(WebSocketPeer.handshake())
    #expect(client.take() == answerStart + "\r\n")
    #expect(gateway.open == 1)
  }

  @Test("an end that came with the answer to a handshake is told by the word given after it")
  func brokenAnswer() throws {
    gateway.acceptWebSockets()
    let accept = gateway.upgrade
    gateway.upgrade = { gateway, id, head in
      accept?(gateway, id, head)
      _ = cr_set_tag(gateway.loop, id, 7)
    }
    let client = try #require(
      MemoryClient(gateway, faults: cr_fault_plan(max_write: 0, again_every: 0, reset_after: 1)))
    client.send(WebSocketPeer.handshake())
    #expect(gateway.events.last == "closed 7")
    #expect(gateway.open == 0)
  }

  @Test("a handshake must be answered while its request is")
  func stale() throws {
    gateway.acceptWebSockets()
    let settings = WebSocketSettings()
    let accept = gateway.upgrade
    var late: cr_write?
    gateway.upgrade = { gateway, id, head in
      gateway.reply(id, body: "no")
      late = withSpans(["", ""]) { cr_websocket_accept(gateway.loop, id, head, settings.raw, $0[0], $0[1]) }
    }
    let client = try #require(MemoryClient(gateway))
    client.send(WebSocketPeer.handshake())
    #expect(late == CR_WRITE_STALE)
    #expect(client.take().hasSuffix("\r\n\r\nno"))
    gateway.upgrade = accept
    client.send(WebSocketPeer.handshake())
    #expect(client.take() == answerStart + "\r\n")
    let id = gateway.connections.last!
    #expect(gateway.reply(id, body: "no HTTP any more") == CR_WRITE_STALE)
    #expect(gateway.beginStream(id) == CR_WRITE_STALE)
  }

  @Test("a message is sent back as what it was, whatever its length")
  func echo() throws {
    gateway.acceptWebSockets()
    gateway.echo()
    let peer = try #require(WebSocketPeer(gateway))
    for length in [0, 1, 125, 126, 2048, 2049, 65535, 65536, 200_000] {
      let frame = Frame.binary((0..<length).map { UInt8(truncatingIfNeeded: $0) })
      peer.send(frame)
      let answer = try #require(peer.take())
      #expect(answer.flatMap(\.payload) == frame.payload)
      #expect(answer.first?.opcode == .binary)
      #expect(answer.dropFirst().allSatisfy { $0.opcode == .continuation })
      #expect(answer.map(\.final) == answer.indices.map { $0 == answer.count - 1 })
      #expect(answer.allSatisfy { $0.payload.count <= 65536 })
    }
    peer.send(.text("hällo"))
    #expect(peer.take() == [.text("hällo")])
    #expect(gateway.buffered == 0)
  }

  @Test("where the bytes are cut makes no difference")
  func cuts() throws {
    gateway.acceptWebSockets()
    var seen: [String] = []
    gateway.message = { gateway, id, bytes, binary in
      seen.append("\(binary) \(String(decoding: bytes, as: UTF8.self))")
      _ = gateway.sendMessage(id, bytes, binary: binary)
    }
    let frames = [
      Frame.text("whole"), .text("in ", final: false), .ping("a"), .more("thr"), .pong("b"), .more("ee", final: true),
      .binary([1, 2, 3]), .ping(), .text(""), .close(1000, "bye"),
    ]
    let bytes = Array(WebSocketPeer.handshake().utf8) + frames.flatMap { $0.bytes(masked: true) }
    let whole = try #require(MemoryClient(gateway))
    whole.send(bytes)
    let output = whole.takeBytes()
    let messages = seen
    #expect(messages == ["false whole", "false in three", "true \u{1}\u{2}\u{3}", "false "])
    for cut in 1..<bytes.count {
      seen = []
      let client = try #require(MemoryClient(gateway))
      client.send(Array(bytes[..<cut]))
      client.send(Array(bytes[cut...]))
      #expect(seen == messages)
      #expect(client.takeBytes() == output)
      #expect(client.ended)
    }
    let single = try #require(MemoryClient(gateway))
    seen = []
    for byte in bytes { single.send([byte]) }
    #expect(seen == messages)
    #expect(single.takeBytes() == output)
    #expect(gateway.open == 0)
    #expect(gateway.buffered == 0)
  }

  @Test(
    "what is sent arrives whole through a transport with faults",
    arguments: [plan(1, 0), plan(3, 2), plan(0, 2), plan(1000, 3), plan(70_000, 2)])
  func faults(faults: cr_fault_plan) throws {
    gateway.acceptWebSockets()
    gateway.echo()
    let peer = try #require(WebSocketPeer(gateway, fields: WebSocketPeer.offer, faults: faults))
    let long = noise(30_000)
    peer.send(.text("one"), .ping("two"), .binary(long), .text("four"), .close(3000))
    let frames = try #require(peer.take())
    #expect(frames == [.text("one"), .pong("two"), .binary(long), .text("four"), .close(3000)])
    #expect(peer.client.ended)
    #expect(gateway.closeCodes == [3000])
    #expect(gateway.open == 0)
    #expect(gateway.buffered == 0)
  }

  @Test("a reset at any byte ends it and is told", arguments: [1, 130, 131, 160, 5_000] as [UInt64])
  func resets(after: UInt64) throws {
    gateway.acceptWebSockets()
    gateway.echo()
    let client = try #require(
      MemoryClient(gateway, faults: cr_fault_plan(max_write: 0, again_every: 0, reset_after: after)))
    client.send(Array(WebSocketPeer.handshake().utf8))
    client.send(Frame.binary([UInt8](repeating: 1, count: 10_000)).bytes(masked: true))
    #expect(gateway.open == 0)
    #expect(gateway.events == ["closed 7"])
    #expect(gateway.errors.first?.domain == UInt16(CR_DOMAIN_UV.rawValue))
    #expect(gateway.closeCodes == [1006])
    #expect(gateway.buffered == 0)
  }

  @Test("messages that came together are answered by one write, and a lone one at once")
  func gathering() throws {
    gateway.acceptWebSockets()
    gateway.echo()
    let peer = try #require(WebSocketPeer(gateway))
    let before = peer.client.writes
    peer.send(.text("a"), .text("b"), .ping("c"), .text("d"))
    #expect(peer.client.writes == before + 1)
    #expect(peer.take() == [.text("a"), .text("b"), .pong("c"), .text("d")])
    peer.send(.text("e"))
    #expect(peer.client.writes == before + 2)
    #expect(peer.take() == [.text("e")])
    gateway.message = { _, _, _, _ in }
    peer.send(.ping("f"), .text("not answered"))
    #expect(peer.take() == [.pong("f")])
  }

  @Test("one message to many is encoded once and reaches each as it can read it")
  func broadcast() throws {
    gateway.acceptWebSockets(WebSocketSettings { $0.max_frame = 1000 })
    let plain = try #require(WebSocketPeer(gateway))
    let small = try #require(
      WebSocketPeer(gateway, fields: "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"))
    let deflating = try #require(WebSocketPeer(gateway, fields: WebSocketPeer.offer))
    let ids = gateway.connections
    for text in ["short", String(repeating: "all the same ", count: 1000)] {
      let broadcast = withSpans([text]) { cr_broadcast_make($0[0]) }
      for id in ids { #expect(cr_websocket_send_broadcast(gateway.loop, id, broadcast) == CR_WRITE_OK) }
      cr_broadcast_free(broadcast)
      gateway.settle()
      let frames = try #require(plain.take())
      #expect(frames.flatMap(\.payload) == Array(text.utf8))
      #expect(frames.allSatisfy { $0.payload.count <= 1000 })
      #expect(frames.map(\.final) == frames.indices.map { $0 == frames.count - 1 })
      for peer in [small, deflating] {
        let frames = try #require(peer.take())
        let bytes = frames.flatMap(\.payload)
        #expect(frames[0].compressed == (text != "short"))
        #expect((frames[0].compressed ? inflated(bytes) : bytes) == Array(text.utf8))
      }
    }
    #expect(gateway.buffered == 0)
  }
}
