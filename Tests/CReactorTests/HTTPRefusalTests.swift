import CReactor
import CWire
import Testing

/// What is refused, and with which status line.
struct Refusal: CustomTestStringConvertible, Sendable {
  let what: String
  let input: String
  let status: String
  var testDescription: String { what }

  init(_ what: String, _ input: String, _ status: String) {
    self.what = what
    self.input = input
    self.status = status
  }
}

private let refusals = [
  Refusal("no Host", "GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
  Refusal("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 Bad Request"),
  Refusal("a malformed Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 Bad Request"),
  Refusal("a bare LF", "GET / HTTP/1.1\nHost: a\n\n", "400 Bad Request"),
  Refusal("a bare CR", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "400 Bad Request"),
  Refusal("a NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", "400 Bad Request"),
  Refusal("a folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", "400 Bad Request"),
  Refusal("space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400 Bad Request"),
  Refusal("no request line", "hello\r\n\r\n", "400 Bad Request"),
  Refusal("another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported"),
  Refusal("CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405 Method Not Allowed"),
  Refusal(
    "a length beside a coding", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "400 Bad Request"),
  Refusal(
    "two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400 Bad Request"),
  Refusal("a length that is no number", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", "400 Bad Request"),
  Refusal(
    "an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501 Not Implemented"
  ),
  Refusal(
    "a bad chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400 Bad Request"),
  Refusal(
    "an overflowing chunk size",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "400 Bad Request"),
  Refusal(
    "a chunk without its end", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
    "400 Bad Request"),
  Refusal(
    "a long target", "GET /\(String(repeating: "a", count: 200)) HTTP/1.1\r\nHost: a\r\n\r\n", "414 URI Too Long"),
  Refusal(
    "a long head", "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 600))\r\n\r\n",
    "431 Request Header Fields Too Large"),
  Refusal(
    "a head that never ends", "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 600))",
    "431 Request Header Fields Too Large"),
  Refusal(
    "many fields", "GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: y\r\n", count: 10))\r\n",
    "431 Request Header Fields Too Large"),
  Refusal("a long body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", "413 Content Too Large"),
  Refusal(
    "a body that grows too long",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "413 Content Too Large"),
]

private func strict() -> MemoryGateway {
  MemoryGateway {
    $0.max_head = 512
    $0.max_target = 100
    $0.max_headers = 8
    $0.max_body = 1000
  }
}

@Suite("HTTP server: refusals")
struct HTTPRefusalTests {
  @Test("a refusal has its status, a small body and the end of the connection, however it is cut", arguments: refusals)
  func refusal(_ refusal: Refusal) throws {
    let bytes = Array(refusal.input.utf8)
    let reason = refusal.status.drop { $0 != " " }.dropFirst()
    let allow = refusal.status.hasPrefix("405") ? "Allow: GET, HEAD, POST, DELETE, OPTIONS\r\n" : ""
    let gateway = strict()
    for cut in Set([0, 1, bytes.count / 2, bytes.count - 1]) {
      let client = try #require(MemoryClient(gateway))
      client.send(String(decoding: bytes[..<cut], as: UTF8.self))
      client.send(String(decoding: bytes[cut...], as: UTF8.self))
      #expect(
        client.take() == "HTTP/1.1 \(refusal.status)\r\nContent-Type: text/plain\r\nContent-Length: \(reason.count + 1)"
          + "\r\nConnection: close\r\n\(allow)\r\n\(reason)\n")
      #expect(client.ended)
    }
    #expect(gateway.requests == [])
    #expect(cr_loop_count(gateway.loop).rejected == UInt64(Set([0, 1, bytes.count / 2, bytes.count - 1]).count))
  }

  @Test("requests before a bad one are answered first")
  func afterGoodOnes() throws {
    let gateway = strict()
    gateway.answer = { _, _, _ in }
    let client = try #require(MemoryClient(gateway))
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nbroken\r\n\r\n")
    #expect(client.take() == "")
    gateway.reply(gateway.connections[0], body: "fine")
    gateway.settle()
    let output = client.take()
    #expect(output.contains("\r\n\r\nfineHTTP/1.1 400 "))
    #expect(client.ended)
  }

  @Test("after a refusal the client is listened to for a while, so that it can read the answer")
  func lingering() throws {
    let gateway = strict()
    let client = try #require(MemoryClient(gateway))
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    #expect(client.take().hasPrefix("HTTP/1.1 413 "))
    for _ in 0..<10 { client.send(String(repeating: "x", count: 10_000)) }
    #expect(gateway.open == 1)
    client.end()
    #expect(gateway.open == 0)
    #expect(gateway.requests == [])
  }

  @Test("a client that does not end its side is left after a second of silence")
  func silence() throws {
    let gateway = strict()
    let client = try #require(MemoryClient(gateway))
    client.send("broken\r\n\r\n")
    gateway.advance(999)
    #expect(gateway.open == 1)
    gateway.advance(1)
    #expect(gateway.open == 0)
  }

  @Test("a client that goes on sending is left after a mebibyte, or after some seconds")
  func noise() throws {
    let gateway = strict()
    let much = try #require(MemoryClient(gateway))
    much.send("broken\r\n\r\n")
    for _ in 0..<17 { much.send(String(repeating: "x", count: 65536)) }
    #expect(gateway.open == 0)
    let long = try #require(MemoryClient(gateway))
    long.send("broken\r\n\r\n")
    for _ in 0..<20 {
      long.send("x")
      gateway.advance(500)
    }
    #expect(gateway.open == 0)
  }

  @Test("a head that takes too long is answered 408, however busy its sender is")
  func slowHead() throws {
    let gateway = MemoryGateway { $0.head_timeout = 1000 }
    let client = try #require(MemoryClient(gateway))
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = client.take()
    gateway.advance(5000)
    for byte in "GET / HTTP" {
      client.send(String(byte))
      gateway.advance(99)
    }
    #expect(client.take() == "")
    client.send("/")
    gateway.advance(10)
    #expect(client.take().hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
    #expect(client.ended)
  }

  @Test("a body may take its time as long as it comes on, else it is answered 408")
  func slowBody() throws {
    let gateway = MemoryGateway {
      $0.body_timeout = 1000
      $0.body_rate = 0
    }
    let client = try #require(MemoryClient(gateway))
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
    for _ in 0..<8 {
      gateway.advance(999)
      client.send("x")
    }
    #expect(client.take() == "")
    gateway.advance(999)
    #expect(client.take() == "")
    gateway.advance(1)
    #expect(client.take().hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
    #expect(gateway.requests == [])
  }

  @Test("a body that never stops is answered 408 when it is slower than its least rate")
  func trickledBody() throws {
    let gateway = MemoryGateway {
      $0.body_timeout = 1000
      $0.body_rate = 10
    }
    let (slow, steady) = (try #require(MemoryClient(gateway)), try #require(MemoryClient(gateway)))
    for client in [slow, steady] { client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n") }
    for _ in 0..<8 {
      slow.send("x")
      steady.send("xxxxx")
      gateway.advance(500)
    }
    #expect(slow.take().hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
    #expect(steady.take() == "")
    steady.send(String(repeating: "x", count: 50))
    #expect(gateway.requests.map(\.body.utf8.count) == [90])
  }

  @Test("a connection that says nothing at first is closed without a word sooner than an idle one")
  func silent() throws {
    let gateway = MemoryGateway { $0.head_timeout = 1000 }
    let client = try #require(MemoryClient(gateway))
    gateway.advance(999)
    #expect(!client.ended)
    gateway.advance(1)
    #expect(client.ended)
    #expect(client.take() == "")
  }

  @Test("beyond the byte budget new work gets 503 and a time to come again, and what is under way goes on")
  func budget() throws {
    let gateway = MemoryGateway(limits: { _ in }, options: { $0.memory = 100_000 })
    gateway.answer = { _, _, _ in }
    let waiting = try #require(MemoryClient(gateway))
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let late = try #require(MemoryClient(gateway))
    let large = try #require(MemoryClient(gateway))
    let body = String(repeating: "x", count: 120_000)
    large.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 130000\r\n\r\n\(body.prefix(60_000))")
    #expect(large.take() == "")
    large.send(String(body.prefix(60_000)))
    #expect(large.take().hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
    // What it had sent is given back, so there is room again.
    late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(gateway.requests.count == 2)
    cr_loop_shed(gateway.loop, true)
    #expect(MemoryClient(gateway) == nil)
    let (first, second) = (gateway.connections[0], gateway.connections[1])
    gateway.reply(first, body: "done")
    gateway.reply(second, body: "done")
    gateway.settle()
    #expect(waiting.take().hasSuffix("done"))
    _ = late.take()
    late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let refusal = late.take()
    #expect(refusal.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
    #expect(refusal.contains("\r\nRetry-After: 1\r\n"))
    cr_loop_shed(gateway.loop, false)
    #expect(MemoryClient(gateway) != nil)
  }

  @Test("before all are refused those are ended for whom most is kept, and the others go on")
  func relief() throws {
    let gateway = MemoryGateway(limits: { $0.max_body = 3_000_000 }, options: { $0.memory = 2_600_000 })
    func collect(_ count: Int) throws -> MemoryClient {
      let client = try #require(MemoryClient(gateway))
      client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(count + 1)\r\n\r\n")
      client.send(String(repeating: "x", count: count))
      return client
    }
    let (small, middle) = (try collect(30_000), try collect(200_000))
    #expect(cr_loop_count(gateway.loop).relieved == 0)
    let large = try collect(2_000_000)
    gateway.advance(60)
    #expect(large.take().hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
    #expect(small.take() == "" && middle.take() == "")
    #expect(cr_loop_count(gateway.loop).relieved == 1)
    let lost = cr_loop_lost(gateway.loop)
    #expect(lost.relieved == 1 && lost.restless == 0)
    #expect((2_000_000..<2_600_000).contains(lost.relieved_bytes))
    #expect((2_275_000..<3_000_000).contains(lost.relieved_from))
    let late = try #require(MemoryClient(gateway))
    late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(late.take().hasPrefix("HTTP/1.1 200 OK\r\n"))
    for client in [small, middle] {
      client.send("y")
      #expect(client.take().hasPrefix("HTTP/1.1 200 OK\r\n"))
    }
  }

  @Test("an answer that nobody reads is cut to make room, and policy hears of it")
  func reliefOfAnswers() throws {
    let gateway = MemoryGateway(options: { $0.memory = 1_000_000 })
    gateway.answer = { gateway, id, request in
      cr_set_tag(gateway.loop, id, 7)
      gateway.beginStream(id)
      gateway.write(id, String(repeating: "x", count: request.target == "/large" ? 900_000 : 20_000))
    }
    let (large, small) = (try #require(MemoryClient(gateway)), try #require(MemoryClient(gateway)))
    for client in [large, small] { client.stall() }
    small.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
    large.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    gateway.advance(60)
    #expect(large.ended && !small.ended)
    #expect(gateway.events.contains("closed 7"))
  }

  @Test("nobody is refused for what another holds, however soon after the last time room is made")
  func reliefAtOnce() throws {
    let gateway = MemoryGateway(options: { $0.memory = 1_000_000 })
    gateway.answer = { gateway, id, request in
      guard request.target == "/large" else {
        gateway.reply(id, body: "fine")
        return
      }
      gateway.beginStream(id)
      gateway.write(id, String(repeating: "x", count: 1_200_000))
    }
    let early = try #require(MemoryClient(gateway))
    for _ in 0..<3 {
      let large = try #require(MemoryClient(gateway))
      large.stall()
      large.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
      let late = try #require(MemoryClient(gateway))
      for client in [late, early] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(client.take().hasSuffix("fine"))
      }
      #expect(large.ended)
    }
  }

  @Test("who holds most is refused more, and nobody makes room for it")
  func reliefOfTheHeaviest() throws {
    let gateway = MemoryGateway(limits: { $0.max_body = 5_000_000 }, options: { $0.memory = 2_600_000 })
    func collect(_ count: Int) throws -> MemoryClient {
      let client = try #require(MemoryClient(gateway))
      client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(count + 1)\r\n\r\n")
      client.send(String(repeating: "x", count: count))
      return client
    }
    let small = try collect(30_000)
    for _ in 0..<3 { #expect(try collect(4_000_000).take().hasPrefix("HTTP/1.1 503 Service Unavailable\r\n")) }
    small.send("y")
    #expect(small.take().hasPrefix("HTTP/1.1 200 OK\r\n"))
  }

  @Test("what policy keeps for peers counts beside what is buffered")
  func held() throws {
    let gateway = MemoryGateway(options: { $0.memory = 100_000 })
    cr_loop_hold(gateway.loop, 100_001)
    #expect(cr_loop_is_shedding(gateway.loop))
    #expect(cr_loop_count(gateway.loop).held == 100_001)
    #expect(MemoryClient(gateway) == nil)
    cr_loop_hold(gateway.loop, -100_001)
    #expect(MemoryClient(gateway) != nil)
  }

  @Test("reading pauses behind so many bytes of requests to come, and goes on with the answer")
  func readAhead() throws {
    let gateway = MemoryGateway { $0.pipeline = 100 }
    gateway.answer = { _, _, _ in }
    let client = try #require(MemoryClient(gateway))
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in 0..<20 { client.send(get) }
    let taken = cr_loop_count(gateway.loop).bytes_in
    #expect(taken >= UInt64(get.utf8.count + 100) && taken < UInt64(get.utf8.count * 7))
    gateway.answer = { $0.reply($1, body: $2.body) }
    gateway.reply(gateway.connections[0], body: "")
    gateway.settle()
    #expect(gateway.requests.count == 20)
  }

  @Test("a kept-alive connection without a request is closed without a word")
  func idle() throws {
    let gateway = MemoryGateway { $0.idle_timeout = 10_000 }
    let client = try #require(MemoryClient(gateway))
    gateway.advance(9000)
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = client.take()
    gateway.advance(9999)
    #expect(!client.ended)
    gateway.advance(1)
    #expect(client.ended)
    #expect(client.take() == "")
    #expect(gateway.open == 0)
  }

  @Test("a connection that waits for its answer is not idle")
  func waitingIsNotIdle() throws {
    let gateway = MemoryGateway { $0.idle_timeout = 1000 }
    gateway.answer = { _, _, _ in }
    let client = try #require(MemoryClient(gateway))
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    gateway.advance(100_000)
    #expect(!client.ended)
    gateway.reply(gateway.connections[0], body: "late")
    gateway.settle()
    #expect(client.take().hasSuffix("late"))
    gateway.advance(999)
    #expect(!client.ended)
    gateway.advance(1)
    #expect(client.ended)
  }
}
