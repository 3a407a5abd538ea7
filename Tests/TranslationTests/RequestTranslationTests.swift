import MCP
import Testing
import Translation
import Wire

/// From client to upstream, within an era and across them.
@Suite struct RequestTranslationTests {
  static let modernMeta =
    #""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}"#

  @Test("within the legacy era only id and token change, every other byte stays")
  func legacy() {
    let translator = Translator(.toolsCall, .r20251125, .r20250618)
    #expect(
      translator.request(
        #" {"id" : "a" , "params":{"name":"x","arguments":{"n":1.10,"m":9223372036854775808,"é":"\u00e9"},"_meta":{"progressToken":"t","v/k":[1]},"z":null}, "method":"tools/call","jsonrpc":"2.0"}"#
      )
        == #" {"id" : 55 , "params":{"name":"x","arguments":{"n":1.10,"m":9223372036854775808,"é":"\u00e9"},"_meta":{"progressToken":9,"v/k":[1]},"z":null}, "method":"tools/call","jsonrpc":"2.0"}"#
    )
    #expect(
      translator.request(#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#)
        == #"{"jsonrpc":"2.0","id":55,"method":"tools/list"}"#)
  }

  @Test("a token that shall not be sent goes, and none is made up")
  func noToken() {
    let translator = Translator(.toolsCall, .r20251125, .r20251125)
    #expect(
      translator.request(
        #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"_meta":{"progressToken":1}}}"#, token: nil)
        == #"{"jsonrpc":"2.0","id":55,"method":"tools/call","params":{"_meta":{}}}"#)
    #expect(
      translator.request(#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"_meta":{}}}"#)
        == #"{"jsonrpc":"2.0","id":55,"method":"tools/call","params":{"_meta":{}}}"#)
  }

  @Test("legacy client, modern upstream: the envelope is added wherever there is room for it")
  func addsEnvelope() {
    let translator = Translator(.toolsList, .r20251125, .r20260728)
    let envelope = Translator.envelope
    for (params, expected) in [
      ("", #","params":{"_meta":{\#(envelope)}}"#), (#","params":{}"#, #","params":{"_meta":{\#(envelope)}}"#),
      (#","params":{"cursor":"x"}"#, #","params":{"_meta":{\#(envelope)},"cursor":"x"}"#),
      (#","params":{"_meta":{}}"#, #","params":{"_meta":{\#(envelope)}}"#),
      (
        #","params":{"_meta":{"progressToken":4,"v/k":1},"a":2}"#,
        #","params":{"_meta":{\#(envelope),"progressToken":9,"v/k":1},"a":2}"#
      ),
      (#","params":{"_meta":null,"a":2}"#, #","params":{"_meta":{\#(envelope)},"a":2}"#),
      (#","params":[1]"#, #","params":{"_meta":{\#(envelope)}}"#),
    ] {
      #expect(
        translator.request(#"{"jsonrpc":"2.0","id":3,"method":"tools/list"\#(params)}"#)
          == #"{"jsonrpc":"2.0","id":55,"method":"tools/list"\#(expected)}"#)
    }
  }

  @Test("modern client, legacy upstream: the envelope goes, tokens, traces and vendor keys stay")
  func stripsEnvelope() {
    let translator = Translator(.toolsCall, .r20260728, .r20251125)
    #expect(
      translator.request(
        #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x","inputResponses":{},"requestState":"s","_meta":{"progressToken":4,\#(Self.modernMeta),"io.modelcontextprotocol/logLevel":"info","traceparent":"00-1","v/k":1}}}"#
      )
        == #"{"jsonrpc":"2.0","id":55,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":9,"traceparent":"00-1","v/k":1}}}"#
    )
  }

  @Test("modern on both sides: the client's info becomes the gateway's, the rest of the envelope stays")
  func modern() {
    let translator = Translator(.toolsCall, .r20260728, .r20260728)
    #expect(
      translator.request(
        #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x","inputResponses":{"k":{}},"requestState":"s","_meta":{\#(Self.modernMeta)}}}"#
      )
        == #"{"jsonrpc":"2.0","id":55,"method":"tools/call","params":{"name":"x","inputResponses":{"k":{}},"requestState":"s","_meta":{\#(Translator.clientInfo),"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}"#
    )
  }

  @Test("an upstream does not learn that a client could take tasks")
  func tasks() {
    let translator = Translator(.toolsCall, .r20260728, .r20260728)
    let text = translator.request(
      #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"a/b":{},"io.modelcontextprotocol/tasks":{}}}}}}"#
    )
    #expect(text.contains(#""io.modelcontextprotocol/clientCapabilities":{"extensions":{"a/b":{}}}"#))
  }

  @Test("names and URIs are replaced where each method has them")
  func names() {
    for (method, params, expected) in [
      ("tools/call", #"{"name":"a__x","arguments":{"name":"a__x"}}"#, #"{"name":NEW,"arguments":{"name":"a__x"}}"#),
      ("prompts/get", #"{"name":"a__x"}"#, #"{"name":NEW}"#),
      ("resources/read", #"{"uri":"x:1"}"#, #"{"uri":NEW}"#),
      ("resources/subscribe", #"{"uri":"x:1"}"#, #"{"uri":NEW}"#),
      (
        "completion/complete", #"{"ref":{"type":"ref/prompt","name":"a__x"},"argument":{"name":"n","value":"v"}}"#,
        #"{"ref":{"type":"ref/prompt","name":NEW},"argument":{"name":"n","value":"v"}}"#
      ),
      (
        "completion/complete", #"{"ref":{"uri":"x:{y}","type":"ref/resource"}}"#,
        #"{"ref":{"uri":NEW,"type":"ref/resource"}}"#
      ),
    ] {
      let message = #"{"jsonrpc":"2.0","id":0,"method":"\#(method)","params":\#(params)}"#
      let translator = Translator(.toolsCall, .r20251125, .r20251125)
      let whole = { (token: String) in
        #"{"jsonrpc":"2.0","id":55,"method":"\#(method)","params":\#(expected)}"#.replacing("NEW", with: token)
      }
      #expect(translator.request(message, name: .token(#""\u0078""#)) == whole(#""\u0078""#))
      #expect(translator.request(message, name: .text("t\"é")) == whole(#""t\"é""#))
    }
  }

  @Test("a call without the name that its method needs is told apart from one that needs none")
  func targets() {
    func target(_ method: String, _ params: String) -> CallTarget {
      let bytes = Array(#"{"jsonrpc":"2.0","id":0,"method":"\#(method)","params":\#(params)}"#.utf8)
      let scanner = EnvelopeScanner()
      return CallTarget(scanner.scan(bytes.rawBytes))
    }
    #expect(target("tools/call", "{}") == .missing)
    #expect(target("tools/call", #"{"name":3}"#) == .missing)
    #expect(target("resources/read", #"{"name":"x"}"#) == .missing)
    #expect(target("completion/complete", #"{"ref":{"type":"ref/other","name":"x"}}"#) == .missing)
    #expect(target("tools/list", "{}") == .none)
    #expect(target("ping", "{}") == .none)
  }

  @Test("the headers for a modern upstream mirror the rewritten request")
  func headers() {
    let schema =
      #"{"properties":{"r":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},"o":{"type":"boolean","x-mcp-header":"O"}}}"#
    guard case .valid(let parameters) = MirroredParameters(schema: Array(schema.utf8).rawBytes) else {
      Issue.record("schema refused")
      return
    }
    let client = Array(
      "POST / HTTP/1.1\r\nHost: h\r\nMcp-Param-Region: old\r\nMcp-Param-Custom: c\r\nX-Other: o\r\n\r\n".utf8)
    let parser = RequestHeadParser()
    guard let head = parser.parse(client.rawBytes) else {
      Issue.record("head refused")
      return
    }
    let name = Array("t é".utf8)
    let arguments = Array(#"{"r":" us","n":42,"o":null}"#.utf8)
    var buffer = ByteBuffer()
    buffer.append(
      modernHeaders: .toolsCall, methodName: Method.toolsCall.name, name: name.rawBytes,
      arguments: arguments.rawBytes, parameters: parameters.span,
      client: MirroredLine.all(of: head))
    #expect(
      buffer.bytes.text == "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
        + "Mcp-Name: =?base64?dCDDqQ==?=\r\nMcp-Param-Region: =?base64?IHVz?=\r\nMcp-Param-N: 42\r\n"
        + "Mcp-Param-Custom: c\r\n")
  }

  @Test("a method stands in its header as it is meant")
  func methodHeader() {
    for (method, text, expected) in [
      (Method.toolsCall, #"tools\/call"#, "tools/call"), (.other, #"x.y\/\u007a"#, "x.y/z"),
      (.other, "vendor/foo", "vendor/foo"),
    ] {
      var buffer = ByteBuffer()
      buffer.append(
        modernHeaders: method, methodName: Array(text.utf8).rawBytes, name: nil, arguments: nil,
        parameters: [MirroredParameter]().span, client: [])
      #expect(buffer.bytes.text == "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: \(expected)\r\n")
    }
  }

  @Test("a method that no revision has keeps its parameters, whatever they are called")
  func otherMethods() {
    let params = #""requestState":"s","inputResponses":{},"name":3"#
    for (client, upstream, meta, expected) in [
      (Revision.r20251125, Revision.r20250618, #"{"progressToken":"t"}"#, #"{"progressToken":9}"#),
      (.r20260728, .r20251125, #"{"progressToken":"t",\#(Self.modernMeta)}"#, #"{"progressToken":9}"#),
      (.r20251125, .r20260728, #"{"progressToken":"t"}"#, #"{\#(Translator.envelope),"progressToken":9}"#),
    ] {
      #expect(
        Translator(.other, client, upstream).request(
          #"{"jsonrpc":"2.0","id":"a","method":"x.y/z","params":{\#(params),"_meta":\#(meta)}}"#)
          == #"{"jsonrpc":"2.0","id":55,"method":"x.y/z","params":{\#(params),"_meta":\#(expected)}}"#)
    }
    #expect(
      Translator(.other, .r20251125, .r20251125).request(#"{"jsonrpc":"2.0","method":"vendor/told","params":[1]}"#)
        == #"{"jsonrpc":"2.0","method":"vendor/told","params":[1]}"#)
  }

  @Test("a legacy upstream gets its session, and the version header where its revision has one")
  func legacyHeaders() {
    for (revision, expected) in [
      (Revision.r20250326, "Mcp-Session-Id: s\r\n"),
      (.r20250618, "Mcp-Session-Id: s\r\nMCP-Protocol-Version: 2025-06-18\r\n"),
    ] {
      var buffer = ByteBuffer()
      buffer.append(legacyHeaders: revision, session: Array("s".utf8).rawBytes)
      #expect(buffer.bytes.text.lowercased() == expected.lowercased())
    }
  }
}
