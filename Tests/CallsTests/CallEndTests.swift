import Configuration
import MCP
import Testing

@testable import WorkerBench

/// Every way in which a call may end, for every kind of client, with each kind of server among them: what either side sees
/// of it, and that the gateway holds nothing of it afterwards.
@Suite("The end of a call")
struct CallEndTests {
  struct Pair: CustomTestStringConvertible, Sendable {
    let client: BenchClient.Kind
    let server: BenchUpstream.Kind
    var testDescription: String { "\(client.testDescription) to \(server.testDescription)" }
  }

  private static let pairs = BenchClient.kinds.enumerated().map { index, client in
    Pair(client: client, server: BenchUpstream.kinds[index % BenchUpstream.kinds.count])
  }

  private struct Scene {
    let server: BenchUpstream
    let bench: WorkerBench
    let client: BenchClient

    init(_ pair: Pair) throws {
      server = BenchUpstream(pair.server)
      bench = try WorkerBench(server) {
        $0.callTimeout = .seconds(5)
        $0.sessions.resumeWindow = .seconds(10)
      }
      client = try bench.client(pair.client)
    }

    func begin() throws -> (BenchCall, BenchRequest) {
      let call = client.call("a__echo")
      return (call, try server.next())
    }

    /// Answered exactly once, asked exactly once, and forgotten.
    func expectEnd(of call: BenchCall, _ sourceLocation: SourceLocation = #_sourceLocation) {
      #expect(call.responses.count == 1, sourceLocation: sourceLocation)
      #expect(server.calls.count == 1, sourceLocation: sourceLocation)
      #expect(bench.unfinished == [], sourceLocation: sourceLocation)
      #expect(server.problems == [], sourceLocation: sourceLocation)
    }
  }

  @Test("Its server answers", arguments: pairs)
  func answered(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (call, request) = try scene.begin()
    request.answer(["content": [["type": "text", "text": "done"]]])
    #expect(call.result["content"][0]["text"] == "done")
    scene.expectEnd(of: call)
  }

  @Test("Its server answers with an error, which the client gets as it is", arguments: pairs)
  func failed(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (call, request) = try scene.begin()
    request.fail(-32050, "no luck", data: ["why": "none"])
    #expect(call.error["code"] == -32050 && call.error["message"] == "no luck")
    #expect(call.error["data"] == ["why": "none"])
    scene.expectEnd(of: call)
  }

  @Test("Its server was gone before it was sent", arguments: pairs)
  func goneBefore(_ pair: Pair) throws {
    let scene = try Scene(pair)
    scene.server.refusesConnections = true
    scene.server.crash()
    let call = scene.client.call("a__echo")
    scene.bench.advance(milliseconds: 6000)
    #expect(call.error["code"] == -32603)
    #expect(call.responses.count == 1)
    #expect(scene.server.calls.isEmpty)
    #expect(scene.bench.unfinished == [])
  }

  @Test("Its server goes while it works on it", arguments: pairs)
  func goneAfter(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (call, request) = try scene.begin()
    // Before that it would seem to have closed an idle connection.
    scene.bench.advance(milliseconds: 300)
    request.reset()
    #expect(call.error["code"] == -32603)
    scene.bench.advance(milliseconds: 10_000)
    scene.expectEnd(of: call)
  }

  @Test("Its server says nothing for too long, and is told that nobody waits any more", arguments: pairs)
  func timedOut(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (call, request) = try scene.begin()
    scene.bench.advance(milliseconds: 5200)
    #expect(call.error["code"] == -32603)
    #expect(request.isWithdrawn)
    scene.expectEnd(of: call)
  }

  @Test("Its client goes: only a session that can be resumed is worth an answer", arguments: pairs)
  func clientGone(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (_, request) = try scene.begin()
    scene.client.vanish()
    if pair.client.transport == .http, pair.client.revision.era == .legacy {
      #expect(!request.isWithdrawn)
      request.answer(["content": []])
    } else {
      #expect(request.isWithdrawn)
    }
    #expect(scene.bench.unfinished == [])
    #expect(scene.server.calls.count == 1)
  }

  @Test(
    "Its client says nothing more: a legacy one may still read its answer, a modern one has cancelled",
    arguments: [Revision.r20241105, .newestLegacy, .newest])
  func halfClosed(_ revision: Revision) throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(revision)
    let call = client.call("a__echo")
    let request = try server.next()
    client.leave()
    #expect(request.isWithdrawn == (revision.era == .modern))
    if revision.era == .legacy {
      request.answer(["content": []])
      #expect(call.result["content"] == [])
    }
    #expect(bench.unfinished == [])
  }

  @Test("Its client cancels it, of which its server hears", arguments: pairs)
  func cancelled(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (call, request) = try scene.begin()
    scene.client.cancel(call)
    #expect(request.isWithdrawn)
    // Over HTTP the end of the connection says so to a modern server, and a word of its session to a legacy one.
    if pair.server.transport == .http, pair.server.revision.era == .modern {
      #expect(request.isGone && scene.server.cancelled == [])
    } else {
      #expect(scene.server.cancelled == [request.id])
      #expect(scene.server.requests("notifications/cancelled").allSatisfy { $0.session == request.session })
    }
    // Over HTTP a request has an answer; over a WebSocket what was cancelled has none.
    let isAnswered = pair.client.transport != .webSocket && pair.client.revision.era == .legacy
    #expect((call.error != .null) == isAnswered)
    #expect(call.result == .null)
    #expect(scene.bench.unfinished == [])
    #expect(scene.server.calls.count == 1)
  }

  @Test("Its client cancels it, or ends its session, over a connection of another worker", arguments: [true, false])
  func otherWorker(cancels: Bool) throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server, workers: 2)
    let client = try bench.client()
    let call = client.call("a__echo")
    let request = try server.next()
    client.move(to: 1)
    if cancels { client.cancel(call) } else { client.endSession() }
    #expect(request.isWithdrawn)
    #expect(call.error != .null && call.responses.count == 1)
    #expect(bench.unfinished == [])
  }

  @Test("The gateway ends meanwhile, and waits for it", arguments: pairs)
  func drained(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (call, request) = try scene.begin()
    scene.bench.drain()
    scene.bench.advance(milliseconds: 2000)
    #expect(call.response == .null && !request.isWithdrawn)
    request.answer(["content": []])
    #expect(call.result["content"] == [])
    scene.expectEnd(of: call)
  }

  @Test("Its server is taken out of the configuration meanwhile, and waited for", arguments: pairs)
  func removed(_ pair: Pair) throws {
    let scene = try Scene(pair)
    let (call, request) = try scene.begin()
    try scene.bench.reload()
    scene.bench.advance(milliseconds: 1000)
    #expect(!request.isWithdrawn)
    request.answer(["content": []])
    #expect(call.result["content"] == [])
    scene.expectEnd(of: call)
    scene.bench.advance(milliseconds: 2000)
    #expect(scene.server.connectionCount == 0)
    #expect(scene.client.call("a__echo").error != .null)
  }
}
