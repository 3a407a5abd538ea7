import Configuration
import MCP
import Testing

@testable import WorkerBench

/// A server with several endpoints, as its clients see it: as one that does not fail.
@Suite("A server with several endpoints")
struct SeveralEndpointsTests {
  typealias Isolation = GatewayConfiguration.Server.Isolation

  private let a: BenchUpstream
  private let b: BenchUpstream
  private let kind: BenchUpstream.Kind

  init() {
    kind = BenchUpstream.Kind(revision: .newestLegacy, transport: .http)
    a = BenchUpstream(kind)
    b = BenchUpstream("b", endpointOf: a)
    for upstream in [a, b] {
      upstream.tools = [
        ["name": "echo", "inputSchema": ["type": "object"]],
        ["name": "look", "inputSchema": ["type": "object"], "annotations": ["readOnlyHint": true]],
      ]
    }
  }

  private func bench(
    _ upstreams: (BenchUpstream, BenchUpstream), _ change: (inout GatewayConfiguration.Server) -> Void = { _ in }
  ) throws -> WorkerBench {
    try WorkerBench(upstreams.0, upstreams.1) { configuration in
      configuration.servers[0].trustHints = true
      change(&configuration.servers[0])
    }
  }

  /// The endpoint that was sent the call, and the call.
  private func taken() throws -> (at: BenchUpstream, request: BenchRequest) {
    if let request = try? a.next() { return (a, request) }
    return (b, try b.next())
  }

  private func other(than upstream: BenchUpstream) -> BenchUpstream { upstream === a ? b : a }

  private func die(_ upstream: BenchUpstream) {
    upstream.isAway = true
    upstream.crash()
  }

  @Test("keeps a session at one of them")
  func affinity() throws {
    let bench = try bench((a, b))
    let client = try bench.client()
    client.call("a__echo")
    let first = try taken()
    first.request.answer(["content": []])
    for _ in 0..<5 {
      client.call("a__echo")
      let next = try taken()
      #expect(next.at === first.at)
      next.request.answer(["content": []])
    }
    #expect(bench.unfinished == [])
  }

  @Test("has sessions at each of them, however little is under way", arguments: [.session, .shared] as [Isolation])
  func everywhere(_ isolation: Isolation) throws {
    let c = BenchUpstream("c", endpointOf: a)
    c.tools = a.tools
    let bench = try WorkerBench(a, b, c) { $0.servers[0].isolation = isolation }
    var counts = [0, 0, 0]
    for _ in 0..<40 {
      try bench.client().call("a__echo")
      for (place, upstream) in [a, b, c].enumerated() {
        guard let request = try? upstream.next() else { continue }
        counts[place] += 1
        request.answer(["content": []])
      }
    }
    #expect(counts.reduce(0, +) == 40 && !counts.contains(0))
  }

  @Test("has what clients without a session ask spread over them, though it speaks to sessions itself")
  func withoutSession() throws {
    let bench = try bench((a, b))
    let client = try bench.client(.newest)
    let calls = (0..<8).map { _ in client.call("a__echo") }
    let (atA, atB) = (a.calls.count, b.calls.count)
    #expect(atA + atB == 8 && atA >= 3 && atB >= 3)
    for _ in 0..<8 { try taken().request.answer(["content": []]) }
    #expect(calls.allSatisfy { $0.result["content"] == [] && $0.responses.count == 1 })
    #expect(bench.unfinished == [])
  }

  @Test("has what comes at once spread over them before the first conversation is open")
  func burst() throws {
    let bench = try bench((a, b))
    let client = try bench.client(.newest)
    var openings: [(upstream: BenchUpstream, request: BenchRequest)] = []
    for upstream in [a, b] { upstream.on("initialize") { openings.append((upstream, $0)) } }
    let calls = (0..<8).map { _ in client.call("a__echo") }
    #expect(openings.count == 2 && a.calls.isEmpty && b.calls.isEmpty)
    for (upstream, request) in openings {
      upstream.on("initialize", nil)
      upstream.sessions.insert("late")
      let result: JSONValue = [
        "protocolVersion": .text("\(kind.revision.label)"), "capabilities": ["tools": [:]], "serverInfo": ["name": "a"],
      ]
      request.answer(result, headers: ["Mcp-Session-Id: late"])
    }
    #expect(a.calls.count >= 3 && b.calls.count >= 3 && a.calls.count + b.calls.count == 8)
    for _ in 0..<8 { try taken().request.answer(["content": []]) }
    #expect(calls.allSatisfy { $0.result["content"] == [] })
    #expect(bench.unfinished == [])
  }

  @Test("has who waits for a session with one that does not answer go to another, whatever is asked")
  func silentHandshake() throws {
    let bench = try bench((a, b)) {
      $0.routing.algorithm = .roundRobin
      $0.routing.healthCheckInterval = .seconds(2)
      $0.routing.healthCheckTimeout = .seconds(1)
    }
    for method in ["ping", "initialize", "DELETE"] { b.on(method) { _ in } }
    let calls = try (0..<4).map { _ in try bench.client().call("a__echo") }
    let first = a.calls.count
    #expect(first > 0 && first < 4)
    bench.advance(milliseconds: 12_000)
    #expect(a.calls.count == 4)
    for _ in 0..<4 { try a.next().answer(["content": []]) }
    #expect(calls.allSatisfy { $0.result["content"] == [] && $0.responses.count == 1 })
    for method in ["ping", "initialize", "DELETE"] { b.on(method, nil) }
    bench.advance(milliseconds: 70_000)
    #expect(b.calls.isEmpty)
    #expect(bench.unfinished == [])
  }

  @Test("has sessions go on at another when theirs dies, and the call too that was not sent")
  func failover() throws {
    let bench = try bench((a, b))
    let client = try bench.client()
    client.call("a__echo")
    let first = try taken()
    first.request.answer(["content": []])
    die(first.at)
    let call = client.call("a__echo", ["text": "on"])
    let next = try taken()
    #expect(next.at === other(than: first.at) && next.request.params["arguments"] == ["text": "on"])
    next.request.answer(["content": []])
    #expect(call.result["content"] == [] && call.responses.count == 1)
    bench.advance(milliseconds: 30_000)
    #expect(bench.unfinished == [])
  }

  @Test("answers from another what may be asked twice, and says of other calls that they are lost")
  func lost() throws {
    let bench = try bench((a, b))
    let client = try bench.client()
    let (look, echo) = (client.call("a__look"), client.call("a__echo"))
    let at = try taken()
    let second = try at.at.next()
    bench.advance(milliseconds: 300)
    #expect(Set([at.request.params["name"].string, second.params["name"].string]) == ["look", "echo"])
    die(at.at)
    #expect(echo.error["data"]["reason"] == "upstream_closed" && echo.responses.count == 1)
    let next = try other(than: at.at).next()
    #expect(next.params["name"] == "look")
    next.answer(["content": []])
    #expect(look.result["content"] == [] && look.responses.count == 1)
    bench.advance(milliseconds: 30_000)
    #expect(bench.unfinished == [])
  }

  @Test("does not repeat on the word of a tool that is not trusted")
  func untrusted() throws {
    let bench = try bench((a, b)) { $0.trustHints = false }
    let client = try bench.client()
    let look = client.call("a__look")
    let at = try taken()
    bench.advance(milliseconds: 300)
    at.request.reset()
    #expect(look.error["data"]["reason"] == "upstream_closed")
    bench.advance(milliseconds: 10_000)
    #expect(a.calls.count + b.calls.count == 1)
    #expect(bench.unfinished == [])
  }

  @Test("asks another where one answers with 5xx, if the call may be asked twice")
  func serverError() throws {
    let bench = try bench((a, b))
    let client = try bench.client()
    let look = client.call("a__look")
    let at = try taken()
    at.request.refuse(500)
    bench.advance(milliseconds: 100)
    let next = try taken()
    #expect(next.at === other(than: at.at))
    next.request.answer(["content": []])
    #expect(look.result["content"] == [])
    let echo = client.call("a__echo")
    let second = try taken()
    second.request.refuse(500)
    bench.advance(milliseconds: 100)
    #expect(echo.error["code"] == -32603 && a.calls.count + b.calls.count == 3)
    #expect(bench.unfinished == [])
  }

  @Test("takes one out whose calls fail, and asks it again after a while")
  func breaker() throws {
    let bench = try bench((a, b)) { $0.routing.algorithm = .roundRobin }
    let failing = a
    var failures = 0
    for _ in 0..<12 {
      let client = try bench.client()
      client.call("a__echo")
      let at = try taken()
      if at.at === failing {
        failures += 1
        at.request.refuse(500)
      } else {
        at.request.answer(["content": []])
      }
    }
    #expect(failures == 3)
    bench.advance(milliseconds: 60_000)
    var isAsked = false
    for _ in 0..<40 where !isAsked {
      let client = try bench.client()
      client.call("a__echo")
      let at = try taken()
      isAsked = at.at === failing
      at.request.answer(["content": []])
    }
    #expect(isAsked)
    #expect(bench.unfinished == [])
  }

  @Test("asks another what waits for one that has stopped answering, if it may be asked twice")
  func stalled() throws {
    let bench = try bench((a, b)) {
      $0.routing.healthCheckInterval = .seconds(2)
      $0.routing.healthCheckTimeout = .seconds(1)
    }
    let client = try bench.client()
    let (look, echo) = (client.call("a__look"), client.call("a__echo"))
    let first = try taken()
    _ = try first.at.next()
    for method in ["ping", "initialize", "DELETE"] { first.at.on(method) { _ in } }
    bench.advance(milliseconds: 12_000)
    let next = try other(than: first.at).next()
    #expect(next.params["name"] == "look" && look.responses.isEmpty && echo.responses.isEmpty)
    next.answer(["content": []])
    #expect(look.result["content"] == [])
    // Others do not go there any more.
    let more = client.call("a__echo")
    try other(than: first.at).next().answer(["content": []])
    #expect(more.result["content"] == [])
    for method in ["ping", "initialize", "DELETE"] { first.at.on(method, nil) }
    bench.advance(milliseconds: 70_000)
    #expect(echo.responses.count == 1)
    #expect(bench.unfinished == [])
  }

  @Test("is waited for with all calls whose connections it took with it, as often as it dies")
  func deathOnKeptConnections() throws {
    let bench = try bench((a, b))
    let client = try bench.client()
    for _ in 0..<4 { client.call("a__echo") }
    for _ in 0..<4 { try taken().request.answer(["content": []]) }
    bench.advance(milliseconds: 1500)
    let calls = (0..<4).map { _ in client.call("a__echo") }
    for _ in 0..<4 { _ = try taken() }
    // At the same time: a call that had gone on to the other over a new connection could not be repeated.
    bench.atOnce {
      die(a)
      die(b)
    }
    bench.advance(milliseconds: 700)
    #expect(calls.allSatisfy { $0.responses.isEmpty && !$0.isOver })
    a.isAway = false
    b.isAway = false
    bench.advance(milliseconds: 200)
    for _ in 0..<4 { try taken().request.answer(["content": []]) }
    #expect(calls.allSatisfy { $0.responses.count == 1 && $0.result["content"] == [] })
    bench.advance(milliseconds: 30_000)
    #expect(bench.unfinished == [])
  }

  @Test("is waited for when all of it is gone for a moment")
  func allGone() throws {
    let bench = try bench((a, b))
    let client = try bench.client()
    client.call("a__echo")
    try taken().request.answer(["content": []])
    bench.advance(milliseconds: 1500)
    die(a)
    die(b)
    let call = client.call("a__echo")
    bench.advance(milliseconds: 700)
    #expect(call.responses.isEmpty && !call.isOver)
    a.isAway = false
    b.isAway = false
    bench.advance(milliseconds: 700)
    try taken().request.answer(["content": []])
    #expect(call.result["content"] == [] && call.responses.count == 1)
    #expect(bench.unfinished == [])
  }

  @Test("is not waited for longer than a call may take to get through")
  func gone() throws {
    let bench = try bench((a, b)) { $0.pool.checkoutTimeout = .seconds(3) }
    let client = try bench.client()
    client.call("a__echo")
    try taken().request.answer(["content": []])
    bench.advance(milliseconds: 1500)
    die(a)
    die(b)
    let call = client.call("a__echo")
    bench.advance(milliseconds: 4000)
    #expect(call.error["data"]["reason"] == "upstream_unreachable" && call.responses.count == 1)
    let next = client.call("a__echo")
    bench.advance(milliseconds: 100)
    #expect(next.error["code"] == -32603)
    #expect(bench.unfinished == [])
  }

  @Test("brings a session's subscriptions and its log level to where it goes on", arguments: ["session", "shared"])
  func subscriptions(_ isolation: String) throws {
    let bench = try bench((a, b)) { $0.isolation = .init(rawValue: isolation) ?? .session }
    let client = try bench.client()
    client.listen()
    client.request("logging/setLevel", ["level": "warning"])
    let subscribed = client.request("resources/subscribe", ["uri": "test://a"])
    #expect(subscribed.result == [:])
    let at = a.requests("resources/subscribe").isEmpty ? b : a
    die(at)
    let call = client.call("a__echo")
    bench.advance(milliseconds: 5000)
    let next = other(than: at)
    #expect(call.responses.isEmpty)
    try next.next().answer(["content": []])
    bench.advance(milliseconds: 10_000)
    #expect(!next.requests("resources/subscribe").isEmpty)
    #expect(next.requests("logging/setLevel").contains { $0.params["level"] == "warning" })
  }
}
