import MCP
import Testing
import Wire

@testable import Bridge

@Suite struct AnswerReaderTests {
  private let stream =
    ": hi\n\nid: 1\nretry: 99999999\ndata:\n\nevent: message\ndata: {\"a\":\ndata: 1}\n\nevent: ping\ndata: {}\n\n"
    + "id: 2\ndata: {}\n\ndata: never whole"

  @Test("a stream gives the same messages however it is cut")
  func cuts() {
    let bytes = Array(stream.utf8)
    for cut in 0...bytes.count {
      var reader = AnswerReader(.events)
      var messages = reader.read(Array(bytes[..<cut]).rawBytes)
      messages += reader.read(Array(bytes[cut...]).rawBytes)
      #expect(messages.map { String(decoding: $0, as: UTF8.self) } == ["{\"a\":\n1}", "{}"])
      #expect(reader.cursor == AnswerReader.Cursor(id: Array("2".utf8), retry: 60_000))
      #expect(reader.finish() == nil)
    }
  }

  @Test("a body that is no stream is one message at its end")
  func json() {
    var reader = AnswerReader(.json)
    #expect(reader.read(Array("{\"a\"".utf8).rawBytes).isEmpty)
    #expect(reader.read(Array(":1}".utf8).rawBytes).isEmpty)
    #expect(reader.finish() == Array("{\"a\":1}".utf8))
    var other = AnswerReader(.other)
    _ = other.read(Array("x".utf8).rawBytes)
    #expect(other.finish() == nil)
  }

  @Test("a message without an end is not kept")
  func tooLong() {
    let piece = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 10)
    for media in [AnswerHead.Media.json, .events] {
      var reader = AnswerReader(media, largest: 8 << 10)
      if media == .events { _ = reader.read(Array("data: ".utf8).rawBytes) }
      for _ in 0..<8 { _ = reader.read(piece.rawBytes) }
      #expect(!reader.isTooLong)
      _ = reader.read([UInt8(ascii: "a")].rawBytes)
      #expect(reader.isTooLong && reader.finish() == nil)
    }
  }
}

@Suite struct PatienceTests {
  @Test("pauses grow from 50 ms to a second, and begin anew once somebody listened")
  func pauses() {
    var patience = Patience(milliseconds: 100)
    #expect((0..<7).map { _ in patience.failed() } == [50, 100, 200, 400, 800, 1000, 1000])
    #expect(patience.isResting)
    patience.rested()
    #expect(!patience.isResting)
    patience.tell()
    patience.succeeded()
    #expect(patience.failed() == 50 && !patience.isTold)
    #expect(!patience.isOver(for: 50, at: 149) && patience.isOver(for: 50, at: 150))
  }
}

@Suite struct ToolParametersTests {
  @Test("arguments that a tool's schema marks are known by its name, until it is listed otherwise")
  func learning() {
    var tools = ToolParameters()
    let page = tools.learn(
      from: Array(
        #"""
        {"jsonrpc":"2.0","id":1,"result":{"nextCursor":"c","tools":[{"name":"t","inputSchema":{"type":"object","properties":{
          "r":{"type":"string","x-mcp-header":"Region"},"deep":{"properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
          "any":true}}},{"name":"bad","inputSchema":{"properties":{"x":{"type":"number","x-mcp-header":"X"}}}},
          {"name":"plain"},{"noname":1}]}}
        """#.utf8))
    #expect(page?.names == ["t", "bad", "plain"].map { Array($0.utf8) } && page?.nextCursor == Array(#""c""#.utf8))
    #expect(page?.faults.map(\.tool) == ["bad"])
    func names(_ tool: String) -> [String] {
      let call = Message(Array(modern("1", "tools/call", #""name":"\#(tool)","#).utf8))
      return tools.parameters(for: call).map { String(decoding: $0.header, as: UTF8.self) }
    }
    #expect(names("t") == ["Mcp-Param-Region", "Mcp-Param-N"])
    #expect(names("bad").isEmpty && names("plain").isEmpty && names("unknown").isEmpty)
    _ = tools.learn(from: Array(#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t"}]}}"#.utf8))
    #expect(names("t").isEmpty)
    #expect(tools.learn(from: Array(#"{"jsonrpc":"2.0","id":1,"result":{}}"#.utf8)) == nil)
  }

  @Test("a request repeats in headers what they can hold, wrapped where they can't")
  func headers() {
    var bench = StateBench()
    bench.line(modern("9", "tools/list"))
    bench.answer(
      bench.last,
      #"{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"t é","inputSchema":{"properties":{"r":{"type":"string","#
        + #""x-mcp-header":"Region"},"f":{"type":"boolean","x-mcp-header":"Flag"},"g":{"type":"string","x-mcp-header":"Gone"}}}}]}}"#
    )
    bench.line(modern("1", "tools/call", #""name":"t é","arguments":{"r":" us","f":false,"g":null},"#))
    let call = bench.last
    #expect(bench.header("Mcp-Name", of: call) == "=?base64?dCDDqQ==?=")
    #expect(bench.header("Mcp-Param-Region", of: call) == "=?base64?IHVz?=")
    #expect(bench.header("Mcp-Param-Flag", of: call) == "false" && bench.header("Mcp-Param-Gone", of: call) == nil)
    #expect(bench.header("MCP-Protocol-Version", of: call) == "2026-07-28")
    #expect(bench.header("X-Own", of: call) == "1" && bench.header("Host", of: call) == "h")
  }
}
