import CWire
import Testing

@Suite("JSON-RPC envelopes")
struct JSONRPCTests {
  @Test("every fixture gives its trace", arguments: FixturePage.pages(in: "jsonrpc"))
  func fixtures(page: FixturePage) throws {
    try page.check([
      "jsonrpc": { pieces, options in JSONRPCTrace.lines(pieces: pieces, options: options) },
      "rewrite": { pieces, options in RewriteTrace.lines(pieces: pieces, options: options) },
    ])
  }

  @Test("there are pages of fixtures")
  func pagesExist() {
    #expect(FixturePage.pages(in: "jsonrpc").count >= 3)
  }

  @Test("every method is found by its name, and by no neighbour of it")
  func methods() {
    for code in CWIRE_MCP_INITIALIZE.rawValue..<CWIRE_MCP_METHOD_COUNT.rawValue {
      let name = string(cwire_mcp_method_name(cwire_mcp_method(rawValue: code)))
      #expect(!name.isEmpty)
      #expect(cwire_mcp_method_code(span(name)).rawValue == code, "\(name)")
      for neighbour in [name + "x", String(name.dropLast()), String(name.dropLast()) + "_", name.uppercased()] {
        let found = cwire_mcp_method_code(span(neighbour))
        #expect(found == CWIRE_MCP_METHOD_OTHER || string(cwire_mcp_method_name(found)) == neighbour, "\(neighbour)")
      }
    }
    #expect(cwire_mcp_method_code(span("")) == CWIRE_MCP_METHOD_OTHER)
    #expect(cwire_mcp_method_name(CWIRE_MCP_METHOD_OTHER).length == 0)
  }

  @Test("every member is found by its name")
  func members() {
    for code in 0..<CWIRE_MCP_PARAM_COUNT.rawValue {
      let name = cwire_mcp_param_name(cwire_mcp_param(rawValue: code))
      #expect(name.length > 0 && cwire_mcp_param_code(name) == Int32(code))
    }
    for code in 0..<CWIRE_MCP_RESULT_COUNT.rawValue {
      let name = cwire_mcp_result_name(cwire_mcp_result(rawValue: code))
      #expect(name.length > 0 && cwire_mcp_result_code(name) == Int32(code))
    }
    for code in 0..<CWIRE_MCP_META_COUNT.rawValue {
      let name = cwire_mcp_meta_name(cwire_mcp_meta(rawValue: code))
      #expect(name.length > 0 && cwire_mcp_meta_code(name) == Int32(code))
    }
    for (name, code) in [
      ("jsonrpc", CWIRE_MCP_TOP_JSONRPC), ("id", CWIRE_MCP_TOP_ID), ("method", CWIRE_MCP_TOP_METHOD),
      ("params", CWIRE_MCP_TOP_PARAMS), ("result", CWIRE_MCP_TOP_RESULT), ("error", CWIRE_MCP_TOP_ERROR),
    ] {
      #expect(cwire_mcp_top_code(span(name)) == Int32(code.rawValue), "\(name)")
    }
    for name in ["", "Name", "nam", String(repeating: "n", count: 300)] {
      #expect(cwire_mcp_param_code(span(name)) == -1, "\(name)")
    }
  }

  @Test("an id or a progress token may have 1,024 bytes, and a longer id is not said back")
  func nameLengths() {
    func scan(id: Int, token: Int) -> (cwire_jsonrpc_status, cwire_jsonrpc_reason, cwire_jsonrpc_id_kind) {
      let (name, progress) = (String(repeating: "i", count: id - 2), String(repeating: "p", count: token - 2))
      let message =
        #"{"params":{"_meta":{"progressToken":"\#(progress)"}},"method":"ping","id":"\#(name)","jsonrpc":"2.0"}"#
      var envelope = cwire_jsonrpc_envelope()
      let status = cwire_jsonrpc_scan(&envelope, span(message), 10)
      return (status, envelope.reason, envelope.id_kind)
    }
    #expect(scan(id: 1024, token: 1024).0 == CWIRE_JSONRPC_OK)
    let (status, reason, kind) = scan(id: 1025, token: 2)
    #expect(status == CWIRE_JSONRPC_INVALID_REQUEST && reason == CWIRE_JSONRPC_REASON_NAME_LENGTH)
    #expect(kind == CWIRE_JSONRPC_ID_OTHER)
    let token = scan(id: 3, token: 1025)
    #expect(token.1 == CWIRE_JSONRPC_REASON_NAME_LENGTH && token.2 == CWIRE_JSONRPC_ID_STRING)
    #expect(String(cString: cwire_jsonrpc_reason_text(reason)).contains("1,024"))
  }

  @Test("a part of a message shows its id and kind as soon as they are there")
  func peek() {
    let whole = #"{"jsonrpc":"2.0","id":12,"result":{"content":["#
    var envelope = cwire_jsonrpc_envelope()
    func kind(_ length: Int) -> cwire_jsonrpc_kind {
      cwire_jsonrpc_peek(&envelope, span(String(whole.prefix(length))), CWIRE_JSON_DEPTH)
    }
    #expect(kind(0) == CWIRE_JSONRPC_INVALID && envelope.reason == CWIRE_JSONRPC_REASON_TRUNCATED)
    // `12` may go on, `12,` may not.
    #expect(kind(24) == CWIRE_JSONRPC_INVALID && envelope.id.base == nil)
    #expect(kind(25) == CWIRE_JSONRPC_INVALID && string(envelope.id) == "12")
    #expect(kind(32) == CWIRE_JSONRPC_INVALID)
    #expect(kind(33) == CWIRE_JSONRPC_RESULT && string(envelope.id) == "12")
    #expect(kind(whole.count) == CWIRE_JSONRPC_RESULT && envelope.id_kind == CWIRE_JSONRPC_ID_INTEGER)
    #expect(
      cwire_jsonrpc_peek(&envelope, span(#"{"id":1,]"#), CWIRE_JSON_DEPTH) == CWIRE_JSONRPC_INVALID
        && envelope.reason == CWIRE_JSONRPC_REASON_SYNTAX)
  }

  @Test("every reason has words of its own")
  func reasons() {
    var texts: Set<String> = []
    for reason in 0...CWIRE_JSONRPC_REASON_NOT_A_RESPONSE.rawValue {
      let text = String(cString: cwire_jsonrpc_reason_text(cwire_jsonrpc_reason(rawValue: reason)))
      #expect(texts.insert(text).inserted && text != "unknown")
    }
  }

  @Test("a rewriter that streams a large result keeps its promises about memory")
  func rewriterSize() {
    #expect(MemoryLayout<cwire_jsonrpc_rewrite>.size <= 1024)
  }
}
