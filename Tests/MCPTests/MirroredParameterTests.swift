import MCP
import Testing
import Translation
import Wire

/// `x-mcp-header` (MCP 2026-07-28, Basic/Transports, Streamable HTTP; Server, Tools).
@Suite struct MirroredParameterTests {
  @Test(
    "an annotation is taken where properties alone lead to it",
    arguments: [
      (#"{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"Region"}}}"#, ["Mcp-Param-Region"]),
      (
        #"{"properties":{"a":{"type":"object","properties":{"b":{"type":"integer","x-mcp-header":"B"}}},"c":{"type":"boolean","x-mcp-header":"C"}}}"#,
        ["Mcp-Param-B", "Mcp-Param-C"]
      ),
      (#"{"properties":{"x-mcp-header":{"type":"string"}}}"#, []),
      (#"{"properties":{"r":{"type":"string","default":{"x-mcp-header":3}}}}"#, []),
      (#"{"properties":{}}"#, []),
      (#"{"properties":{"r":{"type":"string","x-mcp-\u0068eader":"Region"}}}"#, ["Mcp-Param-Region"]),
    ])
  func valid(_ schema: String, _ headers: [String]) {
    guard case .valid(let found) = MirroredParameters(schema: Array(schema.utf8).rawBytes) else {
      Issue.record("refused: \(schema)")
      return
    }
    #expect(found.map { String(decoding: $0.header, as: UTF8.self) } == headers)
  }

  @Test(
    "an annotation that breaks a rule is refused",
    arguments: [
      #"{"properties":{"r":{"type":"number","x-mcp-header":"R"}}}"#,
      #"{"properties":{"r":{"type":["string"],"x-mcp-header":"R"}}}"#,
      #"{"properties":{"r":{"x-mcp-header":"R"}}}"#,
      #"{"properties":{"r":{"type":"string","x-mcp-header":""}}}"#,
      #"{"properties":{"r":{"type":"string","x-mcp-header":"a b"}}}"#,
      #"{"properties":{"r":{"type":"string","x-mcp-header":3}}}"#,
      #"{"properties":{"r":{"type":"string","x-mcp-header":"R"},"s":{"type":"string","x-mcp-header":"r"}}}"#,
      #"{"type":"string","x-mcp-header":"R"}"#,
      #"{"properties":{"r":{"type":"array","items":{"type":"string","x-mcp-header":"R"}}}}"#,
      #"{"anyOf":[{"properties":{"r":{"type":"string","x-mcp-header":"R"}}}]}"#,
      #"{"$defs":{"d":{"type":"string","x-mcp-header":"R"}}}"#,
      #"{"properties":{"r":{"if":{"type":"string","x-mcp-header":"R"}}}}"#,
    ])
  func invalid(_ schema: String) {
    guard case .valid = MirroredParameters(schema: Array(schema.utf8).rawBytes) else { return }
    Issue.record("taken: \(schema)")
  }

  static let schema =
    #"{"properties":{"r":{"type":"string","x-mcp-header":"Region"},"a":{"properties":{"n":{"type":"integer","x-mcp-header":"Count"}}},"f":{"type":"boolean","x-mcp-header":"Flag"}}}"#

  @Test(
    "headers must say what the arguments say",
    arguments: [
      (#"{"r":"us w"}"#, ["Mcp-Param-Region: us w"], true),
      (#"{"r":"us w"}"#, ["mcp-param-region:   us w "], true),
      (#"{"r":"é"}"#, ["Mcp-Param-Region: =?base64?w6k=?="], true),
      (#"{"r":"\u00e9"}"#, ["Mcp-Param-Region: =?base64?w6k=?="], true),
      (#"{"r":"us"}"#, ["Mcp-Param-Region: eu"], false),
      (#"{"r":"us"}"#, ["Mcp-Param-Region: us", "Mcp-Param-Region: us"], false),
      (#"{"r":"us"}"#, [], false),
      (#"{"r":"us"}"#, ["Mcp-Param-Region: =?base64?dXM?="], false),
      (#"{"r":null}"#, [], true),
      (#"{}"#, [], true),
      (#"{}"#, ["Mcp-Param-Region: us"], false),
      (#"{}"#, ["Mcp-Param-Other: us"], true),
      (#"{"a":{"n":42}}"#, ["Mcp-Param-Count: 42"], true),
      (#"{"a":{"n":42}}"#, ["Mcp-Param-Count: 42.0"], true),
      (#"{"a":{"n":42}}"#, ["Mcp-Param-Count: 43"], false),
      (#"{"a":3}"#, [], true),
      (#"{"f":true}"#, ["Mcp-Param-Flag: true"], true),
      (#"{"f":true}"#, ["Mcp-Param-Flag: false"], false),
      (#"{"f":"true"}"#, [], true),
    ] as [(String, [String], Bool)])
  func headers(_ arguments: String, _ lines: [String], _ isGood: Bool) throws {
    let text = Array("POST / HTTP/1.1\r\nHost: h\r\n\(lines.map { $0 + "\r\n" }.joined())\r\n".utf8)
    let parser = RequestHeadParser()
    guard let head = parser.parse(text.rawBytes) else {
      Issue.record("unparsable")
      return
    }
    guard case .valid(let parameters) = MirroredParameters(schema: Array(Self.schema.utf8).rawBytes) else {
      Issue.record("schema refused")
      return
    }
    let bytes = Array(arguments.utf8)
    var scratch = ByteBuffer()
    let fault = parameters.span.fault(head, arguments: bytes.rawBytes, scratch: &scratch)
    #expect((fault == nil) == isGood)
    if let fault { #expect(fault.answer(to: .modern).code == -32020) }
  }
}
