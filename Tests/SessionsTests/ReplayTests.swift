import Configuration
import Testing

@testable import WorkerBench

/// What a client missed while its connection was broken.
@Suite("Streams that are taken up again")
struct ReplayTests {
  @Test("An answer that came while nobody read is there for who comes back, once")
  func answer() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let call = client.call("a__echo", progress: 1)
    let request = try server.next()
    request.progress(0.5)
    let last = try #require(call.eventIDs.last)
    call.vanish()
    request.progress(0.75)
    request.answer(["content": [["type": "text", "text": "kept"]]])
    #expect(call.response == .null)
    let stream = client.listen(after: last)
    #expect(stream.messages.first?["params"]["progress"] == 0.75)
    #expect(call.result["content"][0]["text"] == "kept")
    #expect(stream.isOver && !stream.isBroken)
    // It was taken: nothing follows it.
    let taken: String = try #require(stream.eventIDs.last)
    let again = client.listen(after: taken)
    #expect(again.status == 400 || again.status == 404 || again.messages == [])
    #expect(bench.leftovers() == [])
  }

  @Test("What was asked for too late is gone")
  func tooLate() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) { $0.sessions.resumeWindow = .seconds(5) }
    let client = try bench.client()
    let call = client.call("a__echo", progress: 1)
    let request = try server.next()
    request.progress(0.5)
    let last = try #require(call.eventIDs.last)
    call.vanish()
    request.answer(["content": []])
    bench.advance(milliseconds: 60_000)
    client.listen(after: last)
    #expect(call.response == .null)
    #expect(bench.unfinished == [])
  }

  @Test("Nobody takes up another session's stream")
  func foreign() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let (client, other) = (try bench.client(), try bench.client())
    let call = client.call("a__echo", progress: 1)
    let request = try server.next()
    request.progress(0.5)
    let last = try #require(call.eventIDs.last)
    call.vanish()
    request.answer(["content": [["type": "text", "text": "private"]]])
    other.listen(after: last)
    #expect(other.heard == [] && call.response == .null)
    client.listen(after: last)
    #expect(call.result["content"][0]["text"] == "private")
  }
}
