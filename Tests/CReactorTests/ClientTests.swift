import CReactor
import CReactorPeers
import CWire
import Testing

private let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

private func get(_ lines: String...) -> String {
  "GET / HTTP/1.1\r\nHost: h\r\n" + lines.map { "\($0)\r\n" }.joined() + "\r\n"
}

/// Each network as its address and its bits.
private func networks(_ texts: [(String, UInt8)]) -> [cwire_network] {
  texts.map { text, bits in
    var network = cwire_network()
    network.bits = bits
    withSpans([text]) { spans in
      withUnsafeMutableBytes(of: &network.address) { room in
        _ = cwire_address_parse(spans[0], room.baseAddress!.assumingMemoryBound(to: UInt8.self))
      }
    }
    return network
  }
}

/// A gateway in memory that trusts loopback, where all its connections are from, and 10.0.0.0/8.
private func gateway(
  perAddress: UInt32 = 1000, proxyProtocol: Bool = false, limits change: (inout cr_http_limits) -> Void = { _ in }
) -> MemoryGateway {
  let gateway = MemoryGateway {
    $0.per_address = perAddress
    change(&$0)
  }
  let trusted = networks([("127.0.0.0", 104), ("10.0.0.0", 104)])
  precondition(cr_listener_set_proxies(gateway.listener, trusted, trusted.count, proxyProtocol))
  return gateway
}

extension MemoryGateway {
  /// Whose the request in hand, or the last one, of that connection is.
  fileprivate func client(_ id: cr_id) -> String {
    var bytes = [UInt8](repeating: 0, count: 16)
    guard cr_connection_client(loop, id, &bytes) else { return "stale" }
    return bytes[10] == 0xFF ? bytes[12...].map(String.init).joined(separator: ".") : "v6 \(bytes[0]) \(bytes[15])"
  }

  /// Whom each request was from, as its policy saw it.
  fileprivate func askedBy(_ requests: String...) throws -> [String] {
    var seen: [String] = []
    answer = { gateway, id, _ in
      seen.append(gateway.client(id))
      gateway.reply(id, body: "ok")
    }
    let client = try #require(MemoryClient(self))
    for request in requests { client.send(request) }
    return seen
  }
}

@Suite("The client of a connection")
struct ClientTests {
  @Test("is whom a trusted proxy names in each request, or the proxy itself")
  func named() throws {
    let seen = try gateway().askedBy(
      get, get("X-Forwarded-For: 192.0.2.1"), get("X-Forwarded-For: 192.0.2.2"), get,
      get("Forwarded: for=\"[2001:db8::7]:1\""))
    #expect(seen == ["127.0.0.1", "192.0.2.1", "192.0.2.2", "127.0.0.1", "v6 32 7"])
  }

  @Test("is the last hop that is no trusted proxy, whatever was claimed before it")
  func spoofed() throws {
    let seen = try gateway().askedBy(
      get("X-Forwarded-For: 203.0.113.66, 192.0.2.1"),
      get("X-Forwarded-For: 203.0.113.66, 192.0.2.2, 10.1.2.3, 10.0.0.1"),
      get("X-Forwarded-For: 127.0.0.1, 192.0.2.3"), get("X-Forwarded-For: 203.0.113.66", "X-Forwarded-For: 192.0.2.4"))
    #expect(seen == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"])
  }

  @Test("is the first of trusted proxies alone, and nobody but the peer where the last word can't be read")
  func unreadable() throws {
    let seen = try gateway().askedBy(
      get("X-Forwarded-For: 10.1.1.1, 10.2.2.2"), get("X-Forwarded-For: 192.0.2.1, unknown"),
      get("X-Forwarded-For: unknown, 192.0.2.1"), get("X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.1"),
      get("Forwarded: for="))
    #expect(seen == ["10.1.1.1", "127.0.0.1", "192.0.2.1", "127.0.0.1", "127.0.0.1"])
  }

  @Test("is the peer, whatever it says, where that is not trusted")
  func untrusted() throws {
    let gateway = MemoryGateway { $0.per_address = 1 }
    #expect(try gateway.askedBy(get("X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1")) == ["127.0.0.1"])
    gateway.settle()
    let first = MemoryClient(gateway)
    #expect(first != nil)
    #expect(MemoryClient(gateway) == nil)
  }

  @Test("is no proxy: one that is trusted has as many connections as there are")
  func proxies() throws {
    let gateway = gateway(perAddress: 1)
    let clients = (0..<20).compactMap { _ in MemoryClient(gateway) }
    #expect(clients.count == 20)
    for client in clients {
      client.send(get)
      #expect(client.take().hasSuffix("ok"))
      client.send(get("X-Forwarded-For: 10.9.9.9"))
      #expect(client.take().hasSuffix("ok"))
    }
  }

  @Test("is told 429 for a request over more connections than it may have, and others are not")
  func cap() throws {
    let gateway = gateway(perAddress: 2)
    var clients = (0..<4).compactMap { _ in MemoryClient(gateway) }
    let mine = get("X-Forwarded-For: 192.0.2.1")
    for client in clients[..<2] {
      for _ in 0..<3 {
        client.send(mine)
        #expect(client.take().hasSuffix("ok"))
      }
    }
    clients[2].send(mine)
    let refusal = clients[2].take()
    #expect(refusal.hasPrefix("HTTP/1.1 429 Too Many Requests\r\n"))
    #expect(refusal.contains("\r\nRetry-After: 1\r\n") && refusal.contains("connections_per_address"))
    clients[3].send(get("X-Forwarded-For: 192.0.2.2"))
    #expect(clients[3].take().hasSuffix("ok"))
    // A connection that carries another's request now is one less.
    clients[0].send(get("X-Forwarded-For: 192.0.2.3"))
    clients[3].send(mine)
    #expect(clients[3].take().hasSuffix("ok"))
    // And so is one that has ended.
    clients[1].reset()
    clients.append(try #require(MemoryClient(gateway)))
    clients[4].send(mine)
    #expect(clients[4].take().hasSuffix("ok"))
    #expect(gateway.requests.count == 10)
  }

  @Test("counts with all its connections when room is made: one of who holds most in all is ended, not the largest")
  func relief() throws {
    let gateway = MemoryGateway(options: { $0.memory = 1_300_000 })
    let trusted = networks([("127.0.0.0", 104)])
    #expect(cr_listener_set_proxies(gateway.listener, trusted, trusted.count, false))
    gateway.answer = { gateway, id, _ in
      gateway.beginStream(id)
      gateway.write(id, String(repeating: "x", count: gateway.client(id) == "192.0.2.1" ? 450_000 : 350_000))
    }
    let clients = (0..<3).compactMap { _ in MemoryClient(gateway) }
    for client in clients { client.stall() }
    for (client, address) in zip(clients, ["192.0.2.1", "192.0.2.2", "192.0.2.2"]) {
      client.send(get("X-Forwarded-For: \(address)"))
    }
    gateway.advance(60)
    #expect(!clients[0].ended && clients.count { $0.ended } == 1)
  }

  @Test("is one for all of an IPv6 /64")
  func network() throws {
    let gateway = gateway(perAddress: 1)
    let clients = (0..<3).compactMap { _ in MemoryClient(gateway) }
    for (client, address) in zip(clients, ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]) {
      client.send(get("X-Forwarded-For: \(address)"))
    }
    #expect(clients.map { $0.take().prefix(12) } == ["HTTP/1.1 200", "HTTP/1.1 429", "HTTP/1.1 200"])
  }

  @Test("is counted as long as its answer or its WebSocket goes on, and forgotten with them", arguments: [true, false])
  func streams(isSocket: Bool) throws {
    let gateway = gateway(perAddress: 1)
    let settings = WebSocketSettings()
    gateway.upgrade = { gateway, id, head in
      if isSocket {
        _ = withSpans(["", ""]) { cr_websocket_accept(gateway.loop, id, head, settings.raw, $0[0], $0[1]) }
      } else {
        gateway.beginStream(id)
      }
    }
    let mine =
      isSocket
      ? get(
        "X-Forwarded-For: 192.0.2.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==") : get("X-Forwarded-For: 192.0.2.1")
    for _ in 0..<3 {
      let first = try #require(MemoryClient(gateway))
      first.send(mine)
      #expect(first.take().hasPrefix(isSocket ? "HTTP/1.1 101" : "HTTP/1.1 200"))
      let second = try #require(MemoryClient(gateway))
      second.send(mine)
      #expect(second.take().hasPrefix("HTTP/1.1 429"))
      second.reset()
      first.reset()
      #expect(gateway.open == 0)
    }
  }

  @Test("is told 429 before its body is read")
  func bodies() throws {
    let gateway = gateway(perAddress: 1)
    let clients = (0..<2).compactMap { _ in MemoryClient(gateway) }
    for client in clients {
      client.send("POST / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 10\r\n\r\nhal")
    }
    #expect(clients[0].take() == "")
    #expect(clients[1].take().hasPrefix("HTTP/1.1 429"))
    clients[0].send("f a body")
    #expect(clients[0].take().hasSuffix("half a bod"))
  }

  @Test("is judged by the networks that were trusted when it connected")
  func renewed() throws {
    let gateway = gateway()
    var seen: [String] = []
    gateway.answer = { gateway, id, _ in
      seen.append(gateway.client(id))
      gateway.reply(id, body: "ok")
    }
    let old = try #require(MemoryClient(gateway))
    #expect(cr_listener_set_proxies(gateway.listener, nil, 0, false))
    let new = try #require(MemoryClient(gateway))
    for client in [old, new] { client.send(get("X-Forwarded-For: 192.0.2.1")) }
    #expect(seen == ["192.0.2.1", "127.0.0.1"])
  }
}

@Suite("The PROXY protocol on a listener")
struct PrefaceTests {
  private static let v1 = Array("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n".utf8)
  private static let signature = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
  private static let v2 = signature + [0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 7, 0xDC, 4, 1, 0xBB]
  private static let local = signature + [0x20, 0, 0, 0]

  @Test(
    "says whose a connection is, whole or cut anywhere",
    arguments: [(v1, "192.0.2.1"), (v2, "192.0.2.1"), (local, "127.0.0.1")])
  func says(header: [UInt8], client: String) throws {
    let all = header + Array(get.utf8) + Array(get("X-Forwarded-For: 203.0.113.66").utf8)
    for cut in 0...header.count + 5 {
      let gateway = gateway(proxyProtocol: true)
      var seen: [String] = []
      gateway.answer = { gateway, id, _ in
        seen.append(gateway.client(id))
        gateway.reply(id, body: "ok")
      }
      let proxy = try #require(MemoryClient(gateway))
      proxy.send(Array(all[..<cut]))
      proxy.send(Array(all[cut...]))
      // A client's own word counts no more over the PROXY protocol; a trusted proxy's own connection is another matter.
      #expect(seen == [client, client == "127.0.0.1" ? "203.0.113.66" : client])
    }
  }

  @Test("comes byte by byte as well", arguments: [v1, v2])
  func bytes(header: [UInt8]) throws {
    let gateway = gateway(proxyProtocol: true)
    let proxy = try #require(MemoryClient(gateway))
    for byte in header + Array(get.utf8) { proxy.send([byte]) }
    #expect(proxy.take().hasSuffix("ok"))
    #expect(gateway.requests.count == 1)
  }

  @Test(
    "is required: what begins otherwise is told so and closed",
    arguments: ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "PROXY x\r\n", "\r\n\r\nX"])
  func required(text: String) throws {
    let gateway = gateway(proxyProtocol: true)
    let client = try #require(MemoryClient(gateway))
    client.send(text + get)
    let output = client.take()
    #expect(output.hasPrefix("HTTP/1.1 400 Bad Request\r\n") && output.contains("proxy_protocol"))
    #expect(client.ended)
    #expect(gateway.requests.isEmpty && gateway.open == 0)
  }

  @Test("may not end or wait before it is whole", arguments: [true, false])
  func unfinished(ends: Bool) throws {
    let gateway = gateway(proxyProtocol: true) { $0.head_timeout = 1000 }
    let proxy = try #require(MemoryClient(gateway))
    for byte in Self.v1.prefix(10) {
      proxy.send([byte])
      gateway.advance(90)
    }
    #expect(gateway.open == 1)
    if ends { proxy.end() } else { gateway.advance(200) }
    #expect(proxy.take() == "")
    #expect(proxy.ended)
    #expect(gateway.open == 0 && gateway.events.isEmpty)
  }

  @Test("counts for whom it names, and for nobody where that is a proxy")
  func counts() throws {
    let gateway = gateway(perAddress: 1, proxyProtocol: true)
    var clients: [MemoryClient] = []
    func open(_ header: [UInt8]) throws -> String {
      clients.append(try #require(MemoryClient(gateway)))
      clients.last!.send(header + Array(get.utf8))
      return String(clients.last!.take().prefix(12))
    }
    #expect(try open(Self.v1) == "HTTP/1.1 200")
    #expect(try open(Self.v2) == "HTTP/1.1 429")
    #expect(gateway.requests.count == 1)
    for _ in 0..<3 { #expect(try open(Self.local) == "HTTP/1.1 200") }
    for _ in 0..<3 { #expect(try open(Array("PROXY TCP4 10.1.1.1 10.1.1.2 1 2\r\n".utf8)) == "HTTP/1.1 200") }
    for client in clients { client.reset() }
    #expect(try open(Self.v2) == "HTTP/1.1 200")
  }

  @Test("comes before TLS", arguments: [v1, v2])
  func secure(header: [UInt8]) throws {
    let certificates = Peer.Certificates()
    let gateway = gateway(perAddress: 1, proxyProtocol: true)
    let (context, message) = serverContext(certificates)
    #expect(message == "")
    cr_listener_set_tls(gateway.listener, context)
    cr_tls_context_free(context)
    var seen: [String] = []
    gateway.answer = { gateway, id, _ in
      seen.append(gateway.client(id))
      gateway.reply(id, body: "ok")
    }
    let client = try #require(SecureClient(gateway, certificates))
    // The header and the first flight arrive at once.
    client.sendRaw(header + client.flight())
    gateway.settle()
    client.exchange()
    #expect(client.handshake == 1)
    client.send(get)
    #expect(client.take().hasSuffix("ok"))
    #expect(seen == ["192.0.2.1"])
    // One too many is not told so, which would take a handshake.
    let second = try #require(SecureClient(gateway, certificates))
    second.sendRaw(header)
    gateway.settle()
    #expect(gateway.open == 1)
    // Neither is one that says nothing of itself.
    let third = try #require(SecureClient(gateway, certificates))
    third.exchange()
    #expect(third.handshake == -1 || third.handshake == 0)
    #expect(gateway.open == 1)
  }
}
