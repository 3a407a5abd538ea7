import Configuration
import MCP
import Testing

@testable import WorkerBench

/// How long a call may take, and what its client hears meanwhile. Times are those of the clock in the test's hand.
@Suite("The time of a call")
struct CallTimeTests {
  private func bench(
    _ server: BenchUpstream, timeout: Int = 1, ceiling: Int = 60, interaction: Int = 60, heartbeat: Int = 15
  ) throws -> WorkerBench {
    try WorkerBench(server) {
      $0.callTimeout = .seconds(timeout)
      $0.callTimeoutCeiling = .seconds(ceiling)
      $0.interactionTimeout = .seconds(interaction)
      $0.listeners.http.heartbeatInterval = .seconds(heartbeat)
    }
  }

  @Test("A call without an answer ends after call_timeout, and its server is told", arguments: BenchUpstream.kinds)
  func silence(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try bench(server)
    let call = try bench.client().call("a__echo")
    let request = try server.next()
    bench.advance(milliseconds: 900)
    #expect(call.response == .null)
    bench.advance(milliseconds: 300)
    #expect(call.hasTimedOut)
    #expect(request.isWithdrawn)
    #expect(bench.unfinished == [])
  }

  @Test("Progress gives a call its time anew, until call_timeout_ceiling", arguments: BenchUpstream.kinds)
  func ceiling(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try bench(server, timeout: 1, ceiling: 3)
    let call = try bench.client().call("a__echo", progress: 7)
    let request = try server.next()
    for step in 1...5 {
      bench.advance(milliseconds: 500)
      request.progress(Double(step))
    }
    #expect(call.response == .null)
    bench.advance(milliseconds: 400)
    request.progress(6)
    bench.advance(milliseconds: 300)
    #expect(call.hasTimedOut)
    #expect(request.isWithdrawn)
  }

  @Test("A call whose client has left goes on for resume_window, and no longer")
  func left() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) {
      $0.callTimeout = .seconds(60)
      $0.sessions.resumeWindow = .seconds(5)
    }
    let call = try bench.client().call("a__echo")
    let request = try server.next()
    bench.advance(milliseconds: 1000)
    call.vanish()
    bench.advance(milliseconds: 4500)
    #expect(!request.isWithdrawn)
    bench.advance(milliseconds: 1000)
    #expect(request.isWithdrawn)
    #expect(bench.unfinished == [])
  }

  @Test("A large result that goes through has its time anew with each piece")
  func pieces() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, timeout: 2)
    let call = try bench.client(.newest).call("a__echo")
    let request = try server.next()
    request.sendRaw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    func chunk(_ text: String) { request.sendRaw("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n") }
    chunk(
      "{\"jsonrpc\":\"2.0\",\"id\":\(request.id),\"result\":{\"resultType\":\"complete\",\"content\":[],\"text\":\"")
    for _ in 0..<6 {
      chunk(String(repeating: "y", count: 64 << 10))
      bench.advance(milliseconds: 1000)
    }
    #expect(!request.isGone && !call.isOver)
    bench.advance(milliseconds: 2000)
    #expect(request.isGone && call.isBroken)
  }

  @Test("While a human is asked a call has interaction_timeout")
  func interaction() throws {
    let server = BenchUpstream()
    let bench = try bench(server, timeout: 1, interaction: 10)
    let client = try bench.client(abilities: ["elicitation": [:]])
    let call = client.call("a__echo")
    let request = try server.next()
    request.ask("elicitation/create", ["message": "well?", "requestedSchema": ["type": "object", "properties": [:]]])
    bench.advance(milliseconds: 8000)
    let question = try #require(call.messages.last { $0["method"] == "elicitation/create" })
    client.respond(to: question, ["action": "decline"])
    #expect(server.responses.last?["result"] == ["action": "decline"])
    request.answer(["content": []])
    #expect(call.result["content"] == [])
  }

  @Test("A human who never answers ends a call after interaction_timeout")
  func noInteraction() throws {
    let server = BenchUpstream()
    let bench = try bench(server, timeout: 1, interaction: 5)
    let call = try bench.client(abilities: ["elicitation": [:]]).call("a__echo")
    let request = try server.next()
    request.ask("elicitation/create", ["message": "well?", "requestedSchema": ["type": "object", "properties": [:]]])
    bench.advance(milliseconds: 4500)
    #expect(call.response == .null)
    bench.advance(milliseconds: 1000)
    #expect(call.hasTimedOut)
    #expect(bench.unfinished == [])
  }

  @Test("A call that is slow is answered on a stream, which says that it lives")
  func heartbeat() throws {
    let server = BenchUpstream()
    let bench = try bench(server, timeout: 60, heartbeat: 5)
    let call = try bench.client(.r20250618).call("a__echo")
    let request = try server.next()
    bench.advance(milliseconds: 900)
    #expect(call.status == 0)
    bench.advance(milliseconds: 300)
    #expect(call.status == 200 && call.isStream)
    let first = call.heartbeats
    bench.advance(milliseconds: 11_000)
    #expect(call.heartbeats == first + 2)
    request.answer(["content": []])
    #expect(call.result["content"] == [])
    #expect(call.isOver && !call.isBroken)
  }
}

extension BenchCall {
  fileprivate var hasTimedOut: Bool {
    error["code"] == -32603 && error["message"].string?.contains("did not answer within") == true
  }
}
