import Testing

@testable import Bridge

@Suite struct MessageTests {
  private func message(_ text: String) -> Message {
    Message(Array(text.utf8))
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
    #expect(
      message(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{\#(members)}}"#).name
        == name.map { Array($0.utf8) })
  }

  @Test("kinds, eras and cancellations are told apart")
  func kinds() {
    let meta = #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#
    #expect(
      message(#"{"jsonrpc":"2.0","id":1,"method":"x","params":{\#(meta)}}"#).modernVersion == Array("2026-07-28".utf8))
    #expect(message(#"{"jsonrpc":"2.0","id":1,"result":{\#(meta)}}"#).modernVersion == nil)
    #expect(message(#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"v"}}"#).negotiatedVersion == Array("v".utf8))
    let cancel = message(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#)
    #expect(cancel.cancelledID == Array("9".utf8))
    #expect(cancel.kind == .notification)
    #expect(message("[]").kind == .batch)
    #expect(message("nope").fault?.code == -32700)
  }

  @Test("a list of the bridge's own says who asks as the client did, and nothing else of its request")
  func toolsList() {
    let call = message(
      #"""
      {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":3,
        "io.modelcontextprotocol/clientCapabilities":{"x":[1.10]},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
      """#)
    let list = Message.toolsList(after: Array(#""c\n""#.utf8), like: call)
    #expect(
      String(decoding: list.bytes, as: UTF8.self)
        == #"{"jsonrpc":"2.0","id":"sluice-tools-list","method":"tools/list","params":{"cursor":"c\n","_meta":{"#
        + #""io.modelcontextprotocol/protocolVersion":"2026-07-28","#
        + #""io.modelcontextprotocol/clientCapabilities":{"x":[1.10]}}}}"#)
    #expect(list.modernVersion == Array("2026-07-28".utf8))
  }

  @Test("a request is answered under its id, perhaps within an array, and an array by an array")
  func answers() {
    let request = message(legacy(1))
    for (text, isAnswer) in [
      (result(1), true), (result(2), false), (#"{"jsonrpc":"2.0","id":"1","result":{}}"#, false), ("[]", false),
      ("[\(result(2)),\(result(1))]", true), ("[\(result(2))]", false), (legacy(1), false), ("null", false),
    ] {
      #expect(message(text).answers(request) == isAnswer, "\(text)")
    }
    #expect(message("[\(result(2))]").answers(message("[\(legacy(2))]")))
    #expect(!message(result(1)).answers(message(initialized)) && !message(result(1)).answers(nil))
  }

  @Test("an error keeps its bytes under the id of the request")
  func errors() {
    let body = Array(#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"data":1.10}}"#.utf8)
    let error = Message.error(in: body, for: Array("7".utf8))
    #expect(
      error.map { String(decoding: $0, as: UTF8.self) }
        == #"{"jsonrpc":"2.0","id":7,"error":{"code":-32020,"data":1.10}}"#)
    #expect(error.map { Message($0).errorCode } == -32020)
    #expect(Message.error(in: Array("<html>".utf8), for: nil) == nil)
  }
}
