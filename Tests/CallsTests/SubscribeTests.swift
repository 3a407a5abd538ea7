import MCP
import Testing

@testable import WorkerBench

@Suite("Subscriptions of clients")
struct SubscribeTests {
  @Test("One that its server refuses is none, and may be asked for again", arguments: ["shared", "session"])
  func refused(_ isolation: String) throws {
    let server = BenchUpstream("a", .newestLegacy, over: .http, ["isolation": .text(isolation)])
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let stream = client.listen()
    func updates() -> Int {
      server.notify("notifications/resources/updated", ["uri": "test://a"])
      bench.advance(milliseconds: 500)
      return stream.messages.filter { $0["method"] == "notifications/resources/updated" }.count
    }
    server.on("resources/subscribe") { $0.fail(-32002, "not this one") }
    #expect(client.request("resources/subscribe", ["uri": "test://a"]).error["code"] == -32002)
    // What a client's own conversation says it hears, whatever it has subscribed to.
    let before = isolation == "shared" ? 0 : 1
    #expect(updates() == before)
    server.on("resources/subscribe", nil)
    #expect(client.request("resources/subscribe", ["uri": "test://a"]).result == [:])
    #expect(updates() == before + 1)
    #expect(bench.unfinished == [])
  }
}
