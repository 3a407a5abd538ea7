import MCP
import Testing

@testable import WorkerBench

@Suite("A server that has moved")
struct RedirectedTests {
  @Test("is asked there, after 308 also when it is looked at afresh, after 307 until then", arguments: [307, 308])
  func moved(_ status: Int) throws {
    let server = BenchUpstream("a", .newest)
    let bench = try WorkerBench(server)
    let client = try bench.client(.newest)
    server.on("tools/call") { request in
      server.on("tools/call", nil)
      request.refuse(status, headers: ["Location: /moved"])
    }
    let call = client.call("a__echo", ["text": "hello"])
    let request = try server.next()
    #expect(request.target == "/moved" && request.params["arguments"] == ["text": "hello"])
    request.answer(["content": []])
    #expect(call.result["content"] == [])
    client.call("a__echo")
    #expect(try server.next().target == "/moved")
    // Something that no modern server says: it is looked at afresh before the call goes out again.
    server.on("tools/call") { request in
      server.on("tools/call", nil)
      request.refuse(404)
    }
    client.call("a__echo")
    bench.advance(milliseconds: 1000)
    let look = try #require(server.requests("server/discover").last)
    #expect(look.target == (status == 308 ? "/moved" : "/mcp"))
    #expect(try server.next().target == (status == 308 ? "/moved" : "/mcp"))
  }
}
