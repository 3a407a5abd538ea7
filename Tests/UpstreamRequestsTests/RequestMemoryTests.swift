import MCP
import Testing

@testable import WorkerBench

@Suite("What is kept of a request and its answer")
struct RequestMemoryTests {
  enum Ending: CaseIterable { case answer, cancellation, reset }

  @Test("counts for its client no longer than until its end", arguments: Ending.allCases)
  func ends(_ ending: Ending) throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let text = String(repeating: "x", count: 20_000)
    let call = client.call("a__echo", ["text": .text(text)])
    let request = try server.next()
    let result = #"{"jsonrpc":"2.0","id":\#(request.id),"result":{"content":[],"text":"\#(text)"}}"#
    request.sendRaw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(result.utf8.count)\r\n\r\n")
    request.sendRaw(String(result.prefix(15_000)))
    #expect(call.response == .null)
    switch ending {
    case .answer: request.sendRaw(String(result.dropFirst(15_000)))
    case .cancellation: client.cancel(call)
    case .reset: request.reset()
    }
    #expect((call.result["text"] == .text(text)) == (ending == .answer) && call.responses.count == 1)
    #expect(bench.unfinished == [])
    #expect(bench.leftovers() == [])
  }
}
