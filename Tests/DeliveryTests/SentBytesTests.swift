import MCP
import Testing

@testable import WorkerBench

@Suite("Bytes that are sent to clients")
struct SentBytesTests {
  private static func transport(_ client: BenchClient.Kind) -> String {
    switch client.transport {
    case .http: "streamable_http"
    case .eventStream: "http_sse"
    case .webSocket: "websocket"
    }
  }

  @Test("are counted for the transport of the client, an answer's and an event's alike", arguments: BenchClient.kinds)
  func counted(_ kind: BenchClient.Kind) throws {
    let server = BenchUpstream("a")
    let bench = try WorkerBench(server)
    let client = try bench.client(kind)
    let before = bench.sentBytes
    let text = String(repeating: "x", count: 1000)
    _ = client.call("a__echo")
    try server.next().answer(["content": [["type": "text", "text": .text(text)]]])
    var grown: [String: Int] = [:]
    for (transport, bytes) in bench.sentBytes where bytes != before[transport] {
      grown[transport] = bytes - before[transport, default: 0]
    }
    #expect(Array(grown.keys) == [Self.transport(kind)])
    let bytes = try #require(grown[Self.transport(kind)])
    #expect((1000...1400).contains(bytes))
  }
}
