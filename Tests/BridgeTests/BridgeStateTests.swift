import Testing

@testable import Bridge

@Suite struct BridgeStateTests {
  /// A bridge in a session `s1`, its own stream open.
  private func inSession(patience: UInt64 = 0) -> (bench: StateBench, stream: ExchangeID) {
    var bench = StateBench(patience: patience)
    bench.line(initialize)
    bench.answer(bench.last, opened, session: "s1")
    bench.line(initialized)
    bench.answer(bench.last, "", status: 202, .other)
    return (bench, bench.last)
  }

  // MARK: Order

  @Test("nothing overtakes the opening of a session but answers to what the server asks meanwhile")
  func opening() {
    var bench = StateBench()
    bench.line(initialize)
    let first = bench.last
    bench.line(initialized)
    bench.line(legacy(1))
    bench.sent(first)
    #expect(bench.order == [first])
    bench.head(first, 200, .events, session: "s1")
    bench.piece(first, "data: \(legacy(9))\n\n")
    bench.line(result(9))
    #expect(bench.order.count == 2 && bench.header("Mcp-Session-Id", of: bench.last) == "s1")
    bench.answer(bench.last, "", status: 202, .other)
    bench.piece(first, "data: \(opened)\n\n")
    #expect(bench.lines == [legacy(9), opened])
    #expect(bench.body(of: bench.last) == initialized)
    #expect(bench.header("MCP-Protocol-Version", of: bench.last) == "2025-06-18")
    bench.answer(bench.last, "", status: 202, .other)
    #expect(bench.order.suffix(2).map { bench.method(of: $0) } == ["GET", "POST"])
    #expect(bench.body(of: bench.last) == legacy(1))
  }

  @Test("a message is sent once the one before it is written, whenever that is answered")
  func order() {
    var (bench, _) = inSession()
    bench.line(legacy(1))
    let first = bench.last
    bench.line(legacy(2))
    #expect(bench.last == first)
    bench.sent(first)
    let second = bench.last
    #expect(bench.body(of: second) == legacy(2))
    bench.sent(second)
    bench.answer(second, result(2))
    bench.answer(first, result(1))
    #expect(bench.lines.suffix(2) == [result(2), result(1)])
  }

  @Test("an answer that comes before its request is written whole lets the next one go")
  func earlyAnswer() {
    var (bench, _) = inSession()
    bench.line(legacy(1))
    bench.line(legacy(2))
    bench.answer(bench.last, result(1))
    #expect(bench.body(of: bench.last) == legacy(2))
  }

  // MARK: Waiting for a gateway

  @Test("messages wait together for somebody to listen, go in order then, and one of them may be cancelled")
  func waiting() {
    var bench = StateBench(patience: 10_000)
    for id in 1...3 { bench.line(modern("\(id)", "tools/list")) }
    bench.lost(bench.last, .absent, "refused")
    #expect(bench.remarks == ["http://h/mcp: no connection: refused; waiting for it"])
    bench.line(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#)
    bench.advance(50)
    bench.lost(bench.last, .absent)
    bench.advance(100)
    #expect(bench.remarks.count == 1)
    bench.sent(bench.last)
    bench.sent(bench.last)
    let sent = bench.order.suffix(2)
    #expect(sent.map { bench.body(of: $0) } == [modern("1", "tools/list"), modern("3", "tools/list")])
    #expect(bench.lines.isEmpty)
  }

  @Test("each message waits as long as it may, and then fails alone")
  func patience() {
    var bench = StateBench(patience: 1000)
    bench.line(modern("1", "tools/list"))
    bench.lost(bench.last, .absent)
    bench.now += 900
    bench.line(modern("2", "tools/list"))
    bench.advance(200)
    bench.lost(bench.last, .absent, "refused")
    #expect(bench.lines.count == 1 && bench.lines[0].contains(#""id":1,"error":{"code":-32603"#))
    bench.advance(5000)
    bench.lost(bench.last, .absent, "refused")
    #expect(bench.lines.count == 2 && bench.lines[1].contains("no connection: refused"))
  }

  @Test("once the input has ended nothing waits")
  func inputEnds() {
    var bench = StateBench(patience: 60_000)
    bench.line(modern("1", "tools/list"))
    bench.lost(bench.last, .absent, "refused")
    bench.inputEnded()
    #expect(bench.lines.count == 1 && bench.lines[0].contains("no connection: refused"))
    #expect(bench.isOver && bench.state.isReached)
  }

  @Test("a bridge without a message finds out whether anybody listens", arguments: [true, false])
  func knock(isThere: Bool) {
    var bench = StateBench()
    bench.inputEnded()
    #expect(bench.method(of: bench.last) == "OPTIONS")
    if isThere { bench.head(bench.last, 405) } else { bench.lost(bench.last, .absent) }
    #expect(bench.isOver && bench.state.isReached == isThere && bench.remarks.isEmpty == isThere)
  }

  @Test("an untrusted server is not waited for")
  func untrusted() {
    var bench = StateBench(patience: 60_000)
    bench.line(modern("1", "tools/list"))
    bench.lost(bench.last, .untrusted)
    #expect(bench.lines.count == 1)
  }

  // MARK: Lost connections

  @Test("what was sent is not sent again, but for what does no harm over a connection that had been idle")
  func outdated() {
    for (method, isRepeated) in [("tools/call", false), ("tools/list", true), ("ping", true)] {
      for kind in [Loss.Kind.broken, .outdated] {
        var (bench, _) = inSession()
        bench.line(legacy(1, method))
        let sent = bench.order.count
        bench.sent(bench.last)
        bench.lost(bench.last, kind)
        let expected = isRepeated && kind == .outdated
        #expect((bench.order.count > sent) == expected, "\(method) \(kind)")
        #expect(bench.lines.count == (expected ? 1 : 2))
        guard expected else { continue }
        bench.lost(bench.last, kind)
        #expect(bench.lines.count == 2 && bench.order.count == sent + 1)
      }
    }
  }

  @Test("a stream of a session is resumed after its last event, some times in vain")
  func resumption() {
    var (bench, _) = inSession()
    bench.line(legacy(1, "tools/call"))
    let call = bench.last
    bench.head(call, 200, .events)
    bench.piece(call, "id: e1\nretry: 7\ndata:\n\n")
    bench.lost(call, .broken)
    bench.advance(7)
    #expect(bench.method(of: call) == "GET" && bench.header("Last-Event-ID", of: call) == "e1")
    bench.head(call, 200, .events)
    bench.piece(call, "id: e2\ndata:\n\n")
    bench.ended(call)
    for attempt in 0..<5 {
      bench.advance(1000)
      #expect(bench.header("Last-Event-ID", of: call) == "e2")
      if attempt == 1 {
        bench.answer(call, "no", status: 404)
      } else {
        bench.lost(call, attempt == 2 ? .absent : .broken)
      }
    }
    #expect(bench.lines.count == 2 && bench.lines[1].contains(#""id":1,"error""#))
    #expect(bench.order.filter { bench.body(of: $0).contains("tools/call") }.isEmpty)
  }

  @Test(
    "a stream without ids, and one of no session, is an error for its call once it breaks", arguments: [true, false])
  func notResumable(isModern: Bool) {
    var (bench, _) = inSession()
    bench.line(isModern ? modern("1", "tools/call") : legacy(1, "tools/call"))
    bench.head(bench.last, 200, .events)
    bench.piece(bench.last, isModern ? "id: e1\ndata:\n\n" : "data: {}\n\n")
    bench.lost(bench.last, .broken)
    #expect(bench.lines.last?.contains(#""id":1,"error":{"code":-32603"#) == true)
  }

  // MARK: Sessions

  @Test("a lost session is opened once for all that met its loss, which go in their order then")
  func renewal() {
    var (bench, _) = inSession()
    bench.line(legacy(1))
    let first = bench.last
    bench.sent(first)
    bench.line(legacy(2))
    let second = bench.last
    bench.sent(second)
    bench.answer(second, "", status: 404)
    let reopening = bench.last
    #expect(bench.body(of: reopening) == initialize && bench.header("Mcp-Session-Id", of: reopening) == nil)
    bench.answer(first, "", status: 404)
    bench.line(legacy(3))
    bench.answer(reopening, opened, session: "s2")
    #expect(bench.body(of: bench.last) == initialized && bench.header("Mcp-Session-Id", of: bench.last) == "s2")
    bench.answer(bench.last, "", status: 202, .other)
    #expect(bench.body(of: bench.last) == legacy(1))
    bench.answer(bench.last, result(1))
    bench.answer(bench.last, result(2))
    bench.answer(bench.last, result(3))
    #expect(bench.lines == [opened, result(1), result(2), result(3)])
    #expect(bench.order.filter { bench.body(of: $0) == initialize }.count == 2)
  }

  @Test("a session that can't be opened again is an error for what met its loss", arguments: [true, false])
  func failedRenewal(isRefused: Bool) {
    var (bench, _) = inSession()
    bench.line(legacy(1))
    bench.answer(bench.last, "", status: 404)
    if isRefused { bench.answer(bench.last, "", status: 500) } else { bench.lost(bench.last, .broken) }
    #expect(bench.lines.last?.contains("no new one could be opened") == true)
    bench.line(legacy(2))
    #expect(bench.body(of: bench.last) == legacy(2))
  }

  @Test(
    "the session's own stream is opened again whenever it ends, unless there is none",
    arguments: [404, 405, 501, 200, 500])
  func ownStream(status: Int) {
    var (bench, stream) = inSession()
    #expect(bench.method(of: stream) == "GET" && bench.header("Mcp-Session-Id", of: stream) == "s1")
    bench.head(stream, status, .events)
    if status == 200 { bench.piece(stream, "id: e\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n") }
    bench.ended(stream)
    let count = bench.order.count
    bench.advance(60_000)
    #expect((bench.order.count > count) == [200, 500].contains(status))
    if status == 200 {
      #expect(bench.header("Last-Event-ID", of: stream) == "e")
      #expect(bench.lines.last == #"{"jsonrpc":"2.0","method":"notifications/x"}"#)
    }
  }

  @Test("a stream that fails is opened again later and later, and soon once it was there")
  func streamPauses() {
    var (bench, stream) = inSession()
    func pause(_ bench: StateBench) -> UInt64 { (bench.alarms.map(\.due).max() ?? 0) - bench.now }
    bench.head(stream, 200, .events)
    bench.ended(stream)
    #expect(pause(bench) == 1000)
    var pauses: [UInt64] = []
    for _ in 0..<7 {
      bench.advance(30_000)
      bench.head(stream, 503, .other)
      bench.ended(stream)
      pauses.append(pause(bench))
    }
    #expect(pauses == [2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    bench.advance(30_000)
    bench.head(stream, 200, .events)
    bench.ended(stream)
    #expect(pause(bench) == 1000)
  }

  @Test("a call that meets 404 again in its new session fails, and opens no third one")
  func lostAgain() {
    var (bench, _) = inSession()
    bench.line(legacy(1))
    let call = bench.last
    bench.sent(call)
    bench.answer(call, "", status: 404, .other)
    bench.answer(bench.last, opened, session: "s2")
    bench.answer(bench.last, "", status: 202, .other)
    #expect(bench.header("Mcp-Session-Id", of: call) == "s2")
    let count = bench.order.count
    bench.answer(call, "", status: 404, .other)
    #expect(bench.lines.last?.contains(#""id":1,"error""#) == true)
    #expect(!bench.order[count...].contains { bench.body(of: $0).contains("initialize") })
  }

  @Test("nothing is known of a request any more once it is answered or has failed")
  func forgotten() {
    var (bench, _) = inSession()
    for id in 1...3 {
      bench.line(legacy(id))
      let call = bench.last
      bench.sent(call)
      if id == 2 { bench.lost(call, .broken) } else { bench.answer(call, result(id)) }
    }
    #expect(bench.state.inFlight.isEmpty && bench.state.queue.isEmpty)
  }

  @Test("the session ends with the input, once what is due has come")
  func farewell() {
    var (bench, stream) = inSession()
    bench.line(legacy(1))
    let call = bench.last
    bench.sent(call)
    bench.inputEnded()
    #expect(!bench.isOver && bench.last == call)
    bench.answer(call, result(1))
    #expect(bench.abandoned == [stream] && bench.method(of: bench.last) == "DELETE" && !bench.isOver)
    bench.advance(2000)
    #expect(bench.isOver)
  }

  @Test("an end by force says goodbye at once")
  func stop() {
    var (bench, stream) = inSession()
    bench.line(legacy(1))
    let call = bench.last
    bench.stop()
    #expect(bench.abandoned == [stream, call] && bench.method(of: bench.last) == "DELETE")
    bench.answer(bench.last, "", status: 204, .other)
    #expect(bench.isOver && bench.lines == [opened])
  }

  // MARK: Headers that repeat what a call says

  private let mismatch = #"{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch"}}"#
  private let call = modern("1", "tools/call", #""name":"t","arguments":{"r":"eu"},"#)

  private func tools(_ name: String, _ header: String, next: String = "") -> String {
    #"{"jsonrpc":"2.0","id":"sluice-tools-list","result":{"tools":[{"name":"\#(name)","inputSchema":{"type":"object","#
      + #""properties":{"r":{"type":"string","x-mcp-header":"\#(header)"}}}}]\#(next)}}"#
  }

  @Test(
    "tools are listed again when the server finds headers wrong, and the call is repeated once", arguments: [400, 200])
  func relisting(status: Int) {
    var bench = StateBench()
    bench.line(call)
    let first = bench.last
    #expect(bench.header("Mcp-Param-Region", of: first) == nil)
    bench.answer(first, mismatch, status: status)
    let list = bench.last
    #expect(bench.header("Mcp-Method", of: list) == "tools/list")
    bench.answer(list, tools("other", "Region", next: #","nextCursor":"p2""#))
    #expect(bench.body(of: bench.last).contains(#""cursor":"p2""#))
    bench.answer(bench.last, tools("t", "Region"))
    #expect(bench.last == first && bench.header("Mcp-Param-Region", of: first) == "eu")
    bench.answer(first, mismatch, status: status)
    #expect(bench.lines == [mismatch] && bench.order.count == 4)
    // What was learned is known from now on.
    bench.line(call)
    #expect(bench.header("Mcp-Param-Region", of: bench.last) == "eu")
  }

  @Test("a mismatch told on a stream is followed too")
  func relistingOfStream() {
    var bench = StateBench()
    bench.line(call)
    let first = bench.last
    bench.head(first, 200, .events)
    bench.piece(first, "data: \(mismatch)\n\n")
    #expect(bench.abandoned == [first])
    bench.answer(bench.last, tools("t", "Region"))
    bench.answer(first, result(1))
    #expect(bench.lines == [result(1)])
  }

  @Test("the client gets the refusal where the tools can't be listed")
  func failedRelisting() {
    for failure in 0..<4 {
      var bench = StateBench()
      bench.line(call)
      bench.answer(bench.last, mismatch, status: 400)
      switch failure {
      case 0: bench.lost(bench.last, .broken)
      case 1: bench.answer(bench.last, "no", status: 500)
      case 2:
        bench.answer(bench.last, #"{"jsonrpc":"2.0","id":"sluice-tools-list","error":{"code":-32601,"message":"m"}}"#)
      default: bench.answer(bench.last, "", .other)
      }
      #expect(bench.lines == [mismatch], "\(failure)")
      bench.inputEnded()
      #expect(bench.isOver)
    }
  }

  @Test("no other error and no other method has tools listed again")
  func notRelisted() {
    for (line, error) in [
      (modern("1", "tools/list"), mismatch), (call, mismatch.replacing("-32020", with: "-32602")),
      (legacy(1, "tools/call"), mismatch),
    ] {
      var bench = StateBench()
      bench.line(line)
      bench.answer(bench.last, error, status: 400)
      #expect(bench.order.count == 1 && bench.lines == [error])
    }
  }

  // MARK: The client

  @Test("what is no message is answered, and blank lines are not")
  func invalid() {
    var bench = StateBench()
    bench.line(" \t\r")
    bench.line("{")
    bench.line(#"{"jsonrpc":"1.0","id":3,"method":"x"}"#)
    #expect(bench.order.isEmpty && bench.lines.count == 2)
    #expect(bench.lines[0].contains(#""id":null,"error":{"code":-32700"#) && bench.lines[1].contains(#""id":3,"#))
  }

  @Test("a request of 2026-07-28 is cancelled by closing its connection, one of a session by a message")
  func cancels() {
    let cancel = #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#
    var bench = StateBench()
    bench.line(modern("1", "tools/call"))
    bench.line(cancel)
    #expect(bench.abandoned == [bench.last] && bench.order.count == 1)
    (bench, _) = inSession()
    bench.line(legacy(1, "tools/call"))
    bench.sent(bench.last)
    bench.line(cancel)
    #expect(bench.abandoned.isEmpty && bench.body(of: bench.last) == cancel)
  }

  @Test("an answer's connection is waited for only so long")
  func lingering() {
    var bench = StateBench()
    bench.line(modern("1", "tools/call"))
    let call = bench.last
    bench.head(call, 200, .events)
    bench.piece(call, "data: \(result(1))\n\n")
    #expect(bench.lines == [result(1)] && bench.abandoned.isEmpty)
    bench.advance(1000)
    #expect(bench.abandoned == [call])
  }
}
