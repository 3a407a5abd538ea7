import MCP
import Testing

@testable import WorkerBench

@Suite("Progress of calls")
struct ProgressTests {
  @Test(
    "Progress reaches the client under its own token, before the answer", arguments: BenchUpstream.kinds,
    [
      Revision.newestLegacy, .newest,
    ])
  func own(_ kind: BenchUpstream.Kind, _ revision: Revision) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client(revision)
    for token: JSONValue in ["mine", "a token é", 0, 1_234_567] {
      let call = client.call("a__echo", progress: token)
      let request = try server.next()
      request.progress(0.5)
      request.progress(1)
      #expect(call.messages.map { $0["method"] } == ["notifications/progress", "notifications/progress"])
      #expect(call.messages.map { $0["params"]["progressToken"] } == [token, token])
      #expect(call.messages.map { $0["params"]["progress"] } == [0.5, 1])
      #expect(call.isStream && call.response == .null)
      // What is modern can't be resumed, so its events have no ids.
      #expect(call.eventIDs.isEmpty == (revision == .newest))
      request.answer(["content": []])
      #expect(call.result["content"] == [] && call.isOver)
    }
  }

  @Test("What is no token of this call's is heard by nobody", arguments: BenchUpstream.kinds)
  func foreign(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let call = client.call("a__echo", progress: "mine")
    let request = try server.next()
    for token: JSONValue in [4711, "mine", 0, .number(Double(request.progressToken.integer ?? 0) + 1)] {
      request.progress(0.5, token: token)
    }
    #expect(call.messages == [])
    #expect(client.heard.filter { $0["method"] == "notifications/progress" } == [])
    request.answer(["content": []])
    #expect(call.result["content"] == [])
  }

  @Test("A call does not bring the progress of another one", arguments: [Revision.newestLegacy, .newest])
  func others(_ revision: Revision) throws {
    let server = BenchUpstream("a", revision)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let (first, second) = (client.call("a__echo", progress: 1), client.call("a__echo", progress: 2))
    let (one, two) = (try server.next(), try server.next())
    one.progress(0.5, token: two.progressToken)
    #expect(first.messages == [] && second.messages == [])
    two.progress(0.75)
    #expect(second.messages.map { $0["params"]["progressToken"] } == [2])
  }

  @Test("A client that asked for no progress gets none")
  func unasked() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let call = try bench.client().call("a__echo")
    let request = try server.next()
    #expect(request.progressToken == .null)
    request.progress(0.5, token: request.id)
    #expect(call.messages == [])
  }
}
