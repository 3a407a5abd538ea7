import Configuration
import MCP
import Testing

@testable import WorkerBench

/// What one server may make the gateway hold, and what the gateway may send to one.
@Suite("Bounds toward a server")
struct UpstreamBoundsTests {
  @Test("As many calls go to it at once as limits.in_flight allows, and the next once one has ended")
  func calls() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) { $0.limits.inFlight = 2 }
    let client = try bench.client()
    client.call("a__echo")
    client.call("a__echo")
    let refused = client.call("a__echo")
    #expect(refused.error["data"]["reason"] == "upstream_busy")
    #expect(server.calls.count == 2)
    try server.next().answer(["content": []])
    client.call("a__echo")
    #expect(server.calls.count == 3)
  }

  @Test("What it is told beside calls has such a bound of its own, and none that is left once it has taken it")
  func asides() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) {
      $0.limits.inFlight = 2
      $0.callTimeout = .seconds(60)
    }
    let client = try bench.client()
    func cancelOne() { client.cancel(client.call("a__echo")) }
    for _ in 0..<5 { cancelOne() }
    #expect(server.cancelled.count == 5)
    // From now on it says nothing to that.
    server.on("notifications/cancelled") { _ in }
    for _ in 0..<4 { cancelOne() }
    #expect(server.cancelled.count == 7)
    #expect(server.calls.count == 9, "calls have a bound of their own")
    // It had its time.
    bench.advance(milliseconds: 12_000)
    server.on("notifications/cancelled", nil)
    for _ in 0..<3 { cancelOne() }
    #expect(server.cancelled.count == 10)
    #expect(bench.unfinished == [])
  }

  @Test("A call to who does not read what waits for it fails, and the others go on")
  func backlog() throws {
    let server = BenchUpstream("a", .newest, over: .webSocket)
    let bench = try WorkerBench(server) { $0.limits.stdioBuffer = 64 << 10 }
    let client = try bench.client(.newest)
    let text = JSONValue.text(String(repeating: "x", count: 40 << 10))
    // Its conversation is there before.
    client.call("a__echo")
    try server.next().answer(["content": []])
    server.stall(true)
    let calls = (0..<4).map { _ in client.call("a__echo", ["text": text]) }
    // Two fill what may wait for it.
    #expect(calls.map { $0.error["data"]["reason"] } == [nil, nil, "upstream_busy", "upstream_busy"])
    server.stall(false)
    #expect(server.calls.count == 3)
    for _ in 0..<2 { try server.next().answer(["content": []]) }
    #expect(calls[0].result["content"] == [] && calls[1].result["content"] == [])
    #expect(client.call("a__echo").error == .null)
  }

  @Test("A result that goes through as it comes is cut off at its limit, visibly")
  func result() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try WorkerBench(server) { $0.limits.result = 1 << 20 }
    let client = try bench.client(.newest)
    let call = client.call("a__echo")
    let request = try server.next()
    request.sendRaw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    func chunk(_ text: String) { request.sendRaw("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n") }
    chunk(
      "{\"jsonrpc\":\"2.0\",\"id\":\(request.id),\"result\":{\"resultType\":\"complete\",\"content\":[],\"text\":\"")
    let piece = String(repeating: "y", count: 64 << 10)
    for _ in 0..<15 { chunk(piece) }
    #expect(call.status == 200 && !call.isOver, "it does not go through as it comes")
    for _ in 0..<2 where !request.isGone { chunk(piece) }
    #expect(request.isGone)
    #expect(call.isBroken && call.response == .null)
    bench.advance(milliseconds: 2000)
    #expect(bench.unfinished == [])
  }

  @Test("A stream that brought its response is waited for no longer than a second", arguments: [true, false])
  func lingering(ends: Bool) throws {
    let server = BenchUpstream("a", .newest)
    let bench = try WorkerBench(server)
    let call = try bench.client(.newest).call("a__echo")
    let request = try server.next()
    request.send(["jsonrpc": "2.0", "id": request.id, "result": ["resultType": "complete", "content": []]])
    #expect(call.result["content"] == [] && !request.isGone)
    bench.advance(milliseconds: 500)
    #expect(!request.isGone)
    if ends { request.endStream() }
    bench.advance(milliseconds: 2000)
    #expect(request.isGone == !ends)
    #expect(bench.unfinished == [])
  }

  @Test("How long it wants to be left alone is told, up to an hour, and for that answer alone")
  func retryAfter() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    func wait(_ headers: [String]) throws -> JSONValue {
      // One that does not fail, so that its circuit breaker does not open.
      client.call("a__echo")
      try server.next().answer(["content": []])
      let call = client.call("a__echo")
      try server.next().refuse(503, headers: headers)
      return call.error["data"]["retry_after_ms"]
    }
    #expect(try wait(["Retry-After: 7"]) == 7000)
    #expect(try wait([]) == .null)
    #expect(try wait(["Retry-After: 86400"]) == 3_600_000)
    #expect(try wait(["Retry-After: soon"]) == .null)
  }
}
