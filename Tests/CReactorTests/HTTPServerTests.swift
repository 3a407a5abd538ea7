import CReactor
import CWire
import Testing

private let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
private let post = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
private let chunked =
  "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\nX: y\r\n\r\n"

private func ok(_ body: String) -> String {
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

@Suite("HTTP server: requests and answers")
struct HTTPServerTests {
  @Test("a request is handed over whole and its answer is exactly this")
  func exactAnswer() throws {
    let gateway = MemoryGateway()
    gateway.answer = { gateway, id, _ in
      gateway.reply(id, type: "application/json", headers: "X-A: b\r\n", body: "{", "}")
    }
    let client = try #require(MemoryClient(gateway))
    client.send(post)
    #expect(gateway.requests == [SeenRequest(method: "POST", target: "/b", body: "hello")])
    #expect(
      client.take()
        == "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}")
    #expect(!client.ended)
  }

  @Test("every answer has a Date")
  func date() throws {
    let gateway = MemoryGateway()
    let client = try #require(MemoryClient(gateway))
    client.send(get)
    _ = client.ended
    #expect(client.output.contains(#/\r\nDate: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT\r\n/#))
  }

  @Test("where the bytes are cut makes no difference", arguments: [get + post, chunked + get, post + chunked + post])
  func cuts(input: String) throws {
    let gateway = MemoryGateway()
    let whole = try #require(MemoryClient(gateway))
    whole.send(input)
    let requests = gateway.requests
    let output = whole.take()
    let bytes = Array(input.utf8)
    for cut in 1..<bytes.count {
      gateway.requests = []
      let client = try #require(MemoryClient(gateway))
      client.send(String(decoding: bytes[..<cut], as: UTF8.self))
      client.send(String(decoding: bytes[cut...], as: UTF8.self))
      #expect(gateway.requests == requests)
      #expect(client.take() == output)
    }
    let single = try #require(MemoryClient(gateway))
    gateway.requests = []
    for byte in bytes { single.send(String(decoding: [byte], as: UTF8.self)) }
    #expect(gateway.requests == requests)
    #expect(single.take() == output)
  }

  @Test("a chunked body arrives decoded and in one piece, without its trailers")
  func chunkedRequest() throws {
    let gateway = MemoryGateway()
    let client = try #require(MemoryClient(gateway))
    client.send(chunked)
    #expect(gateway.requests == [SeenRequest(method: "POST", target: "/c", body: "hello, world")])
    #expect(client.take() == ok("hello, world"))
  }

  @Test("pipelined requests are seen one at a time and answered in order")
  func pipelining() throws {
    let gateway = MemoryGateway()
    gateway.answer = { _, _, _ in }
    let client = try #require(MemoryClient(gateway))
    client.send(get + post)
    #expect(gateway.requests.count == 1)
    gateway.reply(gateway.connections[0], body: "first")
    #expect(gateway.requests.count == 1, "policy is not called back from within its own call")
    gateway.settle()
    #expect(gateway.requests.count == 2)
    gateway.reply(gateway.connections[1], body: "second")
    gateway.settle()
    #expect(client.take() == ok("first") + ok("second"))
  }

  @Test("a client that ends its side after pipelined requests gets all answers, then the end")
  func pipeliningThenEnd() throws {
    let gateway = MemoryGateway()
    gateway.answer = { _, _, _ in }
    let client = try #require(MemoryClient(gateway))
    client.send(get + get)
    client.end()
    for _ in 0..<2 {
      gateway.reply(gateway.connections.last!, body: "x")
      gateway.settle()
    }
    #expect(client.take() == ok("x") + ok("x"))
    #expect(client.ended)
    #expect(gateway.open == 0)
  }

  @Test("an end that comes while requests wait for a slow reader is taken after them")
  func slowPipeliningThenEnd() throws {
    let gateway = MemoryGateway()
    let body = String(repeating: "x", count: 60_000)
    gateway.answer = { gateway, id, _ in gateway.reply(id, body: body) }
    let client = try #require(MemoryClient(gateway))
    client.stall()
    client.send(get + get + get)
    #expect(gateway.requests.count == 2)
    // The queue is below its high mark again, and not yet below the low one.
    client.accept(61_000)
    client.end()
    client.accept(1_000_000)
    #expect(client.take() == ok(body) + ok(body) + ok(body))
    #expect(client.ended)
    #expect(gateway.open == 0)
  }

  @Test("an end that came before a request was handed over is told behind it")
  func endBeforeRequest() throws {
    let gateway = MemoryGateway()
    gateway.answer = { gateway, id, _ in _ = cr_set_tag(gateway.loop, id, 7) }
    let client = try #require(MemoryClient(gateway))
    client.send(get + get)
    client.end()
    #expect(gateway.events == ["peer ended 7"])
    gateway.reply(gateway.connections[0], body: "x")
    gateway.settle()
    #expect(gateway.events == ["peer ended 7", "peer ended 7"])
    gateway.reply(gateway.connections[1], body: "y")
    gateway.settle()
    #expect(client.take() == ok("x") + ok("y"))
    #expect(gateway.open == 0)
  }

  @Test("a client that sends requests and reads no answers is held back")
  func heldBack() throws {
    let gateway = MemoryGateway()
    let body = String(repeating: "x", count: 10_000)
    gateway.answer = { gateway, id, _ in gateway.reply(id, body: body) }
    // The transport takes one byte in a turn, so that the answers pile up.
    let client = try #require(
      MemoryClient(gateway, faults: cr_fault_plan(max_write: 1, again_every: 0, reset_after: 0)))
    client.sendWithoutSettling(String(repeating: get, count: 20))
    for _ in 0..<50 { cr_loop_step(gateway.loop) }
    #expect((7..<12).contains(gateway.requests.count))
    gateway.settle()
    #expect(gateway.requests.count == 20)
  }

  @Test("HTTP/1.0 closes after its answer, or stays when asked to")
  func oldVersion() throws {
    let gateway = MemoryGateway()
    let client = try #require(MemoryClient(gateway))
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    #expect(
      client.take()
        == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")
    client.send("GET / HTTP/1.0\r\n\r\n")
    #expect(
      client.take() == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    )
    #expect(client.ended)
  }

  @Test("HEAD gets the length and no body")
  func head() throws {
    let gateway = MemoryGateway()
    let client = try #require(MemoryClient(gateway))
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get)
    #expect(client.take() == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n" + ok("ok"))
  }

  @Test("204 and 304 have neither length nor body", arguments: [204, 304] as [UInt16])
  func withoutContent(status: UInt16) throws {
    let gateway = MemoryGateway()
    gateway.answer = { gateway, id, _ in gateway.reply(id, status: status, type: "", body: "never") }
    let client = try #require(MemoryClient(gateway))
    client.send(get)
    let line = String(cString: cwire_http1_status_reason(Int32(status)))
    #expect(client.take() == "HTTP/1.1 \(status) \(line)\r\n\r\n")
  }

  @Test("100 (Continue) is sent while the body is awaited, and only then")
  func expectContinue() throws {
    let gateway = MemoryGateway { $0.max_body = 10 }
    let head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
    let waiting = try #require(MemoryClient(gateway))
    waiting.send(head + "3\r\n\r\n")
    #expect(waiting.take() == "HTTP/1.1 100 Continue\r\n\r\n")
    waiting.send("abc")
    #expect(waiting.take() == ok("abc"))
    let eager = try #require(MemoryClient(gateway))
    eager.send(head + "3\r\n\r\nabc")
    #expect(eager.take() == ok("abc"))
    let refused = try #require(MemoryClient(gateway))
    refused.send(head + "11\r\n\r\n")
    #expect(refused.take().hasPrefix("HTTP/1.1 413 "))
  }

  @Test("a tag ends with its answer")
  func tagEnds() throws {
    let gateway = MemoryGateway()
    gateway.answer = { gateway, id, _ in
      cr_set_tag(gateway.loop, id, 7)
      gateway.reply(id, body: "ok")
    }
    let client = try #require(MemoryClient(gateway))
    client.send(get)
    client.reset()
    #expect(gateway.open == 0)
    #expect(gateway.events == [])
  }

  @Test("a second answer to one request is stale")
  func secondAnswer() throws {
    let gateway = MemoryGateway()
    let client = try #require(MemoryClient(gateway))
    client.send(get)
    #expect(gateway.reply(gateway.connections[0], body: "again") == CR_WRITE_STALE)
    #expect(gateway.beginStream(gateway.connections[0]) == CR_WRITE_STALE)
    #expect(gateway.write(gateway.connections[0], "x") == CR_WRITE_STALE)
    #expect(client.take() == ok("ok"))
  }

  @Test("an id does not name the connection that has its slot later")
  func generations() throws {
    let gateway = MemoryGateway()
    gateway.answer = { _, _, _ in }
    let first = try #require(MemoryClient(gateway))
    first.send(get)
    first.reset()
    let second = try #require(MemoryClient(gateway))
    second.send(get)
    let (old, new) = (gateway.connections[0], gateway.connections[1])
    #expect(old >> 32 == new >> 32, "the slot is used again")
    #expect(old != new)
    #expect(new >> 56 == 5, "the worker is part of it")
    #expect(isStale(gateway, old))
    #expect(!isStale(gateway, new))
    #expect(gateway.reply(old, body: "lost") == CR_WRITE_STALE)
  }

  @Test("memory of connections that are gone is given back, and their ids stay stale")
  func trimmed() throws {
    let gateway = MemoryGateway { $0.idle_timeout = 1_000_000 }
    gateway.answer = { _, _, _ in }
    var clients = (0..<100).compactMap { _ in MemoryClient(gateway) }
    #expect(clients.count == 100)
    for client in clients { client.send(get) }
    let old = gateway.connections
    let kept = clients.removeFirst()
    for client in clients { client.reset() }
    cr_loop_trim(gateway.loop)
    #expect(gateway.open == 1)
    #expect(old.dropFirst().allSatisfy { isStale(gateway, $0) })
    let again = (0..<99).compactMap { _ in MemoryClient(gateway) }
    #expect(again.count == 99)
    for client in again { client.send(get) }
    #expect(old.dropFirst().allSatisfy { isStale(gateway, $0) })
    #expect(Set(old + gateway.connections).count == 199)
    gateway.reply(old[0], body: "kept")
    gateway.settle()
    #expect(kept.take().hasSuffix("kept"))
  }

  @Test("draining closes idle connections, and the others after their answer")
  func drain() throws {
    let gateway = MemoryGateway()
    let idle = try #require(MemoryClient(gateway))
    let busy = try #require(MemoryClient(gateway))
    gateway.answer = { _, _, _ in }
    busy.send(get + get)
    cr_http_drain(gateway.loop, 0)
    gateway.settle()
    #expect(idle.ended)
    #expect(!busy.ended)
    gateway.reply(gateway.connections[0], body: "last")
    gateway.settle()
    #expect(busy.take().hasSuffix("Connection: close\r\n\r\nlast"))
    #expect(busy.ended)
    #expect(gateway.requests.count == 1)
  }

  @Test("a drain with a grace answers one more request on an idle connection, and closes the others when it is over")
  func drainWithGrace() throws {
    let gateway = MemoryGateway()
    let late = try #require(MemoryClient(gateway))
    let idle = try #require(MemoryClient(gateway))
    for client in [late, idle] {
      client.send(get)
      #expect(!client.take().contains("Connection: close"))
    }
    cr_http_drain(gateway.loop, 500)
    gateway.settle()
    #expect(!late.ended && !idle.ended)
    gateway.advance(499)
    late.send(get)
    #expect(late.take().contains("Connection: close"))
    #expect(late.ended)
    #expect(!idle.ended)
    gateway.advance(20)
    #expect(idle.ended)
  }

  @Test("a stream that had begun before a drain leaves its connection time for one more request")
  func drainAfterStream() throws {
    let gateway = MemoryGateway()
    let client = try #require(MemoryClient(gateway))
    gateway.answer = { _, _, _ in }
    client.send(get)
    let connection = gateway.connections[0]
    #expect(gateway.beginStream(connection) == CR_WRITE_OK)
    cr_http_drain(gateway.loop, 500)
    #expect(cr_http_stream_end(gateway.loop, connection) == CR_WRITE_OK)
    gateway.settle()
    #expect(!client.ended)
    client.send(get)
    #expect(gateway.requests.count == 2)
    gateway.advance(1000)
    gateway.reply(gateway.connections.last!, body: "last")
    gateway.settle()
    #expect(client.take().hasSuffix("Connection: close\r\n\r\nlast"))
    #expect(client.ended)
  }

  @Test("connections beyond the listener's or an address's cap are turned away")
  func caps() throws {
    let crowded = MemoryGateway { $0.max_connections = 2 }
    let kept = [MemoryClient(crowded), MemoryClient(crowded)].compactMap { $0 }
    #expect(kept.count == 2)
    #expect(MemoryClient(crowded) == nil)
    kept[0].reset()
    #expect(MemoryClient(crowded) != nil)
    let single = MemoryGateway { $0.per_address = 1 }
    let one = MemoryClient(single)
    #expect(one != nil)
    #expect(MemoryClient(single) == nil)
    one?.reset()
    #expect(MemoryClient(single) != nil)
    // What its address has too many of takes no place of the listener's.
    let both = MemoryGateway {
      $0.per_address = 1
      $0.max_connections = 2
    }
    let first = MemoryClient(both)
    for _ in 0..<3 { #expect(MemoryClient(both) == nil) }
    // Nobody else could take it but for others from there.
    var limits = cr_http_limits_default()
    limits.max_connections = 2
    limits.per_address = 2
    cr_listener_set_limits(both.listener, &limits)
    let second = MemoryClient(both)
    #expect(first != nil && second != nil && MemoryClient(both) == nil)
  }

  @Test("the listener and the client of a connection can be asked for")
  func identity() throws {
    let gateway = MemoryGateway()
    gateway.answer = { _, _, _ in }
    let client = try #require(MemoryClient(gateway))
    client.send(get)
    #expect(cr_connection_listener(gateway.loop, gateway.connections[0]) == 9)
    var address = [UInt8](repeating: 0xAA, count: 16)
    #expect(cr_connection_client(gateway.loop, gateway.connections[0], &address))
    #expect(address == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1])
    #expect(!cr_connection_client(gateway.loop, gateway.connections[0] ^ 1, &address))
  }
}
