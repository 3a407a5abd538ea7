import Testing

@testable import sluice

@Suite struct ConnectMessageTests {
  private func message(_ text: String) -> ConnectMessage {
    ConnectMessage(Array(text.utf8))
  }

  @Test("ids keep their type and text")
  func ids() {
    #expect(message(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).id == Array("1".utf8))
    #expect(message(#"{"jsonrpc":"2.0","id":"1","method":"ping"}"#).id == Array(#""1""#.utf8))
    #expect(message(#"{"jsonrpc":"2.0","method":"ping"}"#).id == nil)
  }

  @Test(
    "the name that is repeated in a header depends on the method",
    arguments: [
      ("tools/call", #""name":"n\u00e9""#, "né"), ("prompts/get", #""name":"p""#, "p"),
      ("resources/read", #""uri":"file:///x","name":"no""#, "file:///x"), ("tasks/get", #""taskId":"t""#, "t"),
      ("completion/complete", #""name":"no""#, nil), ("tools/call", #""name":5"#, nil),
    ])
  func names(method: String, members: String, name: String?) {
    #expect(message(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{\#(members)}}"#).name == name)
  }

  @Test("kinds, eras and cancellations are told apart")
  func kinds() {
    let meta = #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#
    #expect(message(#"{"jsonrpc":"2.0","id":1,"method":"x","params":{\#(meta)}}"#).modernVersion == "2026-07-28")
    #expect(message(#"{"jsonrpc":"2.0","id":1,"result":{\#(meta)}}"#).modernVersion == nil)
    #expect(message(#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"v"}}"#).negotiatedVersion == "v")
    let cancel = message(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#)
    #expect(cancel.cancelledID == Array("9".utf8))
    #expect(cancel.kind == .notification)
    #expect(message("[]").kind == .batch)
    #expect(message("nope").fault?.code == -32700)
  }

  @Test(
    "header values are plain where they can be",
    arguments: [
      ("us-west 1", "us-west 1"), ("", ""), (" x", "=?base64?IHg=?="), ("é", "=?base64?w6k=?="),
      ("a\nb", "=?base64?YQpi?="), ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="), ("=?base64?", "=?base64?"),
    ])
  func headerValues(text: String, value: String) {
    #expect(ConnectHeaders.encoded(text) == value)
  }

  @Test("arguments that a tool's schema marks go into headers")
  func toolHeaders() {
    var tools = ToolHeaders()
    tools.learn(
      from: Array(
        #"""
        {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","inputSchema":{"type":"object","properties":{
          "r":{"type":"string","x-mcp-header":"Region"},"b":{"type":"boolean","x-mcp-header":"Flag"},
          "deep":{"properties":{"n":{"type":"integer","x-mcp-header":"Count"}}},"gone":{"x-mcp-header":"Gone"},
          "any":true,"list":{"items":{"properties":{"x":{"x-mcp-header":"No"}}}}}}},{"name":"plain"}]}}
        """#.utf8))
    func headers(_ name: String, _ arguments: String) -> [String] {
      let call =
        #"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"\#(name)","arguments":\#(arguments)}}"#
      return tools.headers(for: message(call)).map { "\($0.name): \($0.value)" }.sorted()
    }
    #expect(
      headers("t", #"{"r":" us","b":false,"deep":{"n":42},"gone":null,"list":[{"x":1}]}"#)
        == ["Mcp-Param-Count: 42", "Mcp-Param-Flag: false", "Mcp-Param-Region: =?base64?IHVz?="])
    #expect(headers("t", "{}").isEmpty)
    #expect(headers("plain", #"{"r":"x"}"#).isEmpty)
  }

  @Test("what looks like a secret is not printed")
  func secrets() {
    #expect(
      SecretMask.masked(["-y", "x", "--api-key", "k", "--token=t", "API_KEY=k", "--auth", "--port", "1"])
        == ["-y", "x", "--api-key", "***", "--token=***", "API_KEY=***", "--auth", "--port", "1"])
    #expect(
      SecretMask.masked([
        "https://h/s/k3y/mcp?a=b", "postgres://u:p@h/db", "--url=https://h/mcp?k=1", "redis://h:1", "a=b", "x://",
      ]) == ["https://h/s/***/mcp?***", "postgres://***", "--url=https://h/mcp?***", "redis://***", "a=b", "x://***"])
  }
}
