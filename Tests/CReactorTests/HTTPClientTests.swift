import CReactor
import CReactorPeers
import Testing

@Suite("A client connection", .timeLimit(.minutes(10)))
struct HTTPClientTests {
  @Test("carries one exchange after another")
  func keepsAlive() {
    let peer = Peer()
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    for round in 0..<20 {
      let answer = bench.exchange(id, "/echo", body: Array("round \(round)".utf8))
      #expect(answer?.status == 200)
      #expect(answer?.text == "round \(round)")
      #expect(answer?.isReusable == true)
    }
    #expect(peer.accepted == 1)
    #expect(cr_loop_count(bench.loop).upstream == 1)
  }

  @Test("takes a request before it is connected, and refuses a second while the first is unanswered")
  func queuesWhileConnecting() {
    let peer = Peer()
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, host: "localhost", timeout: 10_000)
    #expect(bench.send(id, "/echo", body: [65]) == CR_WRITE_OK)
    #expect(bench.send(id, "/echo", body: [66]) == CR_WRITE_STALE)
    bench.run { bench.answers[1]?.last?.isComplete == true }
    #expect(bench.answers[1]?.map(\.text) == ["A"])
  }

  @Test(
    "reads every kind of body in whatever pieces it arrives",
    arguments: [0, 1, 3, 7],
    [
      ("Content-Length: 11\r\n\r\nhello there", true),
      ("Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nthere\r\n0\r\n\r\n", true),
      ("Content-Length: 11\r\nConnection: close\r\n\r\nhello there", false),
    ])
  func bodies(slice: Int, message: (String, Bool)) {
    let peer = Peer([.init(path: "/", bytes: "HTTP/1.1 200 OK\r\n" + message.0, slice: slice)])
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    let answer = bench.exchange(id, "/")
    #expect(answer?.text == "hello there")
    #expect(answer?.isReusable == message.1)
    #expect((bench.send(id, "/") == CR_WRITE_STALE) == !message.1)
    #expect(bench.ends.isEmpty)
  }

  @Test("tells a chunked answer that came whole in as many pieces as it has chunks, the last one marked")
  func lastPieceIsMarked() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    let peer = Peer([.init(path: "/", bytes: chunked)])
    let bench = ClientBench()
    #expect(bench.exchange(bench.connect(to: peer.port), "/")?.pieces == 1)
  }

  @Test("reads a body until the connection closes")
  func untilClose() {
    let peer = Peer([.init(path: "/", bytes: "HTTP/1.0 200 OK\r\n\r\nall of it", thenClose: true)])
    let bench = ClientBench()
    let answer = bench.exchange(bench.connect(to: peer.port), "/")
    #expect(answer?.text == "all of it")
    #expect(answer?.isReusable == false)
    #expect(bench.ends.isEmpty)
  }

  @Test("expects no body after HEAD, 204 and 304, and passes interim answers over")
  func withoutBody() {
    let peer = Peer([
      .init(path: "/head", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
      .init(path: "/204", bytes: "HTTP/1.1 204 No Content\r\n\r\n"),
      .init(path: "/304", bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
      .init(
        path: "/103", bytes: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      ),
    ])
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    #expect(bench.exchange(id, "/head", method: "HEAD")?.isReusable == true)
    #expect(bench.exchange(id, "/204")?.status == 204)
    #expect(bench.exchange(id, "/304")?.status == 304)
    #expect(bench.exchange(id, "/103")?.text == "ok")
    #expect(bench.answers[1]?.count == 4)
  }

  @Test("is not used again when something follows its answer")
  func extraBytes() {
    let peer = Peer([.init(path: "/", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")])
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    let answer = bench.exchange(id, "/")
    #expect(answer?.text == "ok")
    #expect(answer?.isReusable == false)
    #expect(bench.send(id, "/") == CR_WRITE_STALE)
  }

  @Test("takes sixteen interim answers to a request, and no more", arguments: [16, 17])
  func interimAnswers(count: Int) {
    let interim = String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: count)
    let peer = Peer([.init(path: "/", bytes: interim + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")])
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    guard count > 16 else {
      // Those of one request do not count for the next.
      for _ in 0..<2 { #expect(bench.exchange(id, "/")?.text == "ok") }
      return
    }
    #expect(bench.exchange(id, "/") == nil)
    #expect(bench.ends[1]?.domain == UInt16(CR_DOMAIN_HTTP.rawValue))
    #expect(bench.ends[1]?.code == CWIRE_HTTP1_BAD_STATUS_LINE.rawValue)
  }

  @Test("is not used again when it was answered before it had sent its whole request")
  func answeredEarly() {
    let peer = DeafPeer()
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    let body = [UInt8](repeating: 65, count: 16 << 20)
    #expect(bench.send(id, "/", body: body) == CR_WRITE_FULL)
    bench.run { peer.accepts() }
    peer.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    bench.run { bench.answers[1]?.last?.isComplete == true }
    #expect(bench.answers[1]?.last?.status == 413)
    #expect(bench.answers[1]?.last?.isReusable == false)
    #expect(bench.send(id, "/") == CR_WRITE_STALE)
  }

  struct Broken: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var bytes: String
    var domain = CR_DOMAIN_HTTP
    var code: Int32

    static let all = [
      Broken(
        testDescription: "cut in its body", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut",
        code: CWIRE_HTTP1_TRUNCATED.rawValue),
      Broken(
        testDescription: "a status that is no number", bytes: "HTTP/1.1 20x OK\r\n\r\n",
        code: CWIRE_HTTP1_BAD_STATUS_LINE.rawValue),
      Broken(
        testDescription: "another protocol", bytes: "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        code: CWIRE_HTTP1_BAD_STATUS_LINE.rawValue),
      Broken(
        testDescription: "a chunk size that is none",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", code: CWIRE_HTTP1_BAD_CHUNK_SIZE.rawValue),
      Broken(
        testDescription: "a head without measure",
        bytes: "HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: 40_000))\r\n\r\n",
        code: CWIRE_HTTP1_HEAD_TOO_LARGE.rawValue),
      Broken(
        testDescription: "nothing", bytes: "", domain: CR_DOMAIN_REACTOR, code: Int32(CR_REASON_PEER_CLOSED.rawValue)),
    ]
  }

  @Test("ends with the reason when an answer is broken or missing", arguments: Broken.all)
  func broken(_ answer: Broken) {
    let peer = Peer([.init(path: "/", bytes: answer.bytes, thenClose: true)])
    let bench = ClientBench()
    _ = bench.exchange(bench.connect(to: peer.port), "/")
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.domain == UInt16(answer.domain.rawValue))
    #expect(bench.ends[1]?.code == answer.code)
    #expect(bench.ends[1]?.sent == true)
  }

  @Test("notices when the server closes it while it is idle, and says that nothing was sent")
  func idleClose() {
    let peer = Peer([.init(path: "/", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", thenClose: true)])
    let bench = ClientBench()
    let answer = bench.exchange(bench.connect(to: peer.port), "/")
    #expect(answer?.text == "ok")
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.code == Int32(CR_REASON_PEER_CLOSED.rawValue))
    #expect(bench.ends[1]?.sent == false)
  }

  @Test("that is refused, or whose name is unknown, is told later and by its tag")
  func refused() {
    let port = Peer().port
    let bench = ClientBench()
    let refused = bench.connect(to: port, tag: 7)
    #expect(bench.send(refused, "/") == CR_WRITE_OK)
    let unknown = bench.connect(to: port, host: "no-such-host.invalid", tag: 8)
    #expect(bench.send(unknown, "/") == CR_WRITE_OK)
    #expect(bench.ends.isEmpty)
    bench.run { bench.ends.count == 2 }
    #expect(bench.ends[7]?.text == "connection refused")
    #expect(bench.ends[7]?.sent == false)
    #expect(bench.ends[8]?.domain == UInt16(CR_DOMAIN_RESOLVER.rawValue))
  }

  @Test("gives up connecting when its time is over, TLS included")
  func connectTimeout() {
    let peer = Peer()  // takes the connection, and waits for a request that never comes
    var message = [CChar](repeating: 0, count: 200)
    var options = cr_tls_client_options()
    let tls = cr_tls_client_make(&options, &message, message.count)
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench(manualClock: true)
    let id = bench.connect(to: peer.port, tls: tls, timeout: 500)
    bench.run { peer.accepted == 1 }
    bench.send(id, "/")
    cr_loop_advance(bench.loop, 499)
    _ = cr_loop_step(bench.loop)
    #expect(bench.ends.isEmpty)
    cr_loop_advance(bench.loop, 1)
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.code == Int32(CR_REASON_TIMED_OUT.rawValue))
    #expect(bench.ends[1]?.sent == false)
  }

  @Test("tells nothing more once policy has closed it")
  func closedByPolicy() {
    let peer = Peer()
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    _ = bench.exchange(id, "/", body: [65])
    cr_close(bench.loop, id)
    #expect(bench.send(id, "/") == CR_WRITE_STALE)
    bench.run { cr_loop_count(bench.loop).upstream == 0 }
    #expect(bench.ends.isEmpty)
  }

  @Test("is told to be gone once, whoever ended it")
  func isGone() {
    let peer = Peer([
      .init(path: "/last", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
      .init(path: "/over", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", thenClose: true),
    ])
    let bench = ClientBench()
    var ended = [cr_id]()
    for path in ["/last", "/over", "/closed", "/aborted"] {
      let id = bench.connect(to: peer.port)
      _ = bench.exchange(id, path)
      if path == "/closed" { cr_close(bench.loop, id) }
      if path == "/aborted" { cr_abort(bench.loop, id) }
      ended.append(id)
      bench.run { bench.gone.count == ended.count }
    }
    let unconnected = bench.connect(to: peer.port)
    cr_abort(bench.loop, unconnected)
    bench.run { cr_loop_count(bench.loop).upstream == 0 && bench.gone.count == 5 }
    #expect(bench.gone == ended + [unconnected])
  }

  @Test("moves bodies of megabytes both ways, and says when its queue has drained")
  func large() {
    let peer = Peer()
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(bench.send(id, "/", body: body) == CR_WRITE_FULL)
    bench.run { bench.answers[1]?.last?.isComplete == true }
    #expect(bench.answers[1]?.last?.body == body)
    #expect(bench.drained == [1])
  }

  @Test("hands on nothing while it is paused, and everything once it is resumed", arguments: [0, 1000])
  func paused(slice: Int) {
    let body = String(repeating: "0123456789", count: 30_000)
    let peer = Peer([
      .init(path: "/", bytes: "HTTP/1.1 200 OK\r\n\r\n" + body, slice: slice, thenClose: true)
    ])
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    var told = 0
    bench.onHead = { [unowned bench] in cr_read_pause(bench.loop, $0) }
    bench.onPiece = { [unowned bench] id, _ in
      told += 1
      cr_read_pause(bench.loop, id)
    }
    bench.send(id, "/")
    bench.run { bench.answers[1] != nil }
    while bench.answers[1]?.last?.isComplete != true {
      let before = told
      for _ in 0..<3 { _ = cr_loop_step(bench.loop) }
      #expect(told == before)
      cr_read_resume(bench.loop, id)
      bench.run { told > before }
      #expect(told == before + 1)
    }
    #expect(bench.answers[1]?.last?.text == body)
  }

  @Test("may send its next request from within the end of an answer")
  func sendsFromWithin() {
    let peer = Peer()
    let bench = ClientBench()
    let id = bench.connect(to: peer.port)
    bench.onPiece = { [unowned bench] id, last in
      if last, bench.answers[1]!.count < 5 { bench.send(id, "/", body: [66]) }
    }
    bench.send(id, "/", body: [65])
    bench.run { bench.answers[1]?.count == 5 && bench.answers[1]!.last!.isComplete }
    #expect(bench.answers[1]?.map(\.text) == ["A", "B", "B", "B", "B"])
  }
}
