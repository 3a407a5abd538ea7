import MCP
import Testing
import Translation
import Wire

/// What servers send by themselves (MCP 2025-11-25, Client, and Server/Utilities).
@Suite struct ServerMessageTests {
  static let progress =
    #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":55,"progress":0.50,"message":"m"}}"#

  @Test("progress goes on under the client's token, without its message before 2025-03-26")
  func progress() {
    for upstream in [Revision.r20251125, .r20260728] {
      for client in Revision.allCases {
        let text = Translator(.toolsCall, client, upstream).notification(Self.progress, token: #""t""#)
        let message = client >= .r20250326 ? #","message":"m""# : ""
        #expect(
          text
            == #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":0.50\#(message)}}"#
        )
      }
    }
    #expect(Translator(.toolsCall, .r20251125, .r20251125).notification(Self.progress) == nil)
  }

  @Test("hop keys go and the listen's id comes, with its type")
  func subscription() {
    let update =
      #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:1","_meta":{"io.modelcontextprotocol/subscriptionId":4,"v/k":1}}}"#
    #expect(
      Translator(.none, .r20251125, .r20260728).notification(update)
        == #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:1","_meta":{"v/k":1}}}"#)
    for id in ["7", #""7""#] {
      #expect(
        Translator(.none, .r20260728, .r20260728).notification(update, subscription: id)
          == #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:1","_meta":{"io.modelcontextprotocol/subscriptionId":\#(id),"v/k":1}}}"#
      )
      let bare = #"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#
      #expect(
        Translator(.none, .r20260728, .r20251125).notification(bare, subscription: id)
          == #"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":\#(id)}}}"#
      )
      let plain = #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:1"}}"#
      #expect(
        Translator(.none, .r20260728, .r20251125).notification(plain, subscription: id)
          == #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":\#(id)},"uri":"x:1"}}"#
      )
    }
  }

  @Test("what the other side can't know does not go on")
  func dropped() {
    func goesOn(_ method: String, _ client: Revision, _ upstream: Revision) -> Bool {
      Translator(.none, client, upstream).notification(#"{"jsonrpc":"2.0","method":"\#(method)"}"#) != nil
    }
    #expect(goesOn("notifications/elicitation/complete", .r20251125, .r20251125))
    #expect(!goesOn("notifications/elicitation/complete", .r20250618, .r20251125))
    #expect(!goesOn("notifications/elicitation/complete", .r20260728, .r20251125))
    for client in Revision.allCases {
      for upstream in Revision.allCases { #expect(goesOn("notifications/vendor", client, upstream)) }
    }
    #expect(!goesOn("notifications/subscriptions/acknowledged", .r20260728, .r20260728))
    #expect(!goesOn("notifications/cancelled", .r20251125, .r20251125))
    #expect(goesOn("notifications/message", .r20251125, .r20260728))
  }

  @Test(
    "a server's question reaches only a legacy client that has declared what it needs",
    arguments: [
      ("sampling/createMessage", "{}", .sampling, true), ("sampling/createMessage", "{}", [], false),
      ("sampling/createMessage", #"{"tools":[]}"#, .sampling, false),
      ("sampling/createMessage", #"{"tools":[]}"#, [.sampling, .samplingTools], true),
      ("elicitation/create", "{}", .elicitationForm, true),
      ("elicitation/create", #"{"mode":"form"}"#, .elicitationURL, false),
      ("elicitation/create", #"{"mode":"url"}"#, .elicitationForm, false),
      ("elicitation/create", #"{"mode":"url"}"#, .elicitationURL, true), ("roots/list", "{}", .roots, true),
      ("roots/list", "{}", [], false), ("ping", "{}", [], true), ("tools/call", "{}", .relayable, false),
      ("x.y/z", "{}", [], true), ("tasks/get", "{}", .relayable, false),
    ] as [(String, String, ClientCapabilities, Bool)])
  func questions(_ method: String, _ params: String, _ capabilities: ClientCapabilities, _ passes: Bool) {
    let bytes = Array(#"{"jsonrpc":"2.0","id":"s","method":"\#(method)","params":\#(params)}"#.utf8)
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(bytes.rawBytes)
    let fault = ServerTranslation.fault(
      envelope, upstream: .r20251125, client: .r20251125, capabilities: capabilities)
    #expect((fault == nil) == passes)
    if let fault { #expect(fault.answer(to: .legacy).code == -32601) }
    let crossed = ServerTranslation.fault(
      envelope, upstream: .r20251125, client: .r20260728, capabilities: capabilities)
    #expect((crossed == nil) == (method == "ping"))
    if passes, let crossed { #expect(crossed.phrase.contains(method)) }
  }

  @Test("a server's question goes on under an id of the gateway's, and its answer back under the server's")
  func reverse() {
    let question =
      #"{"jsonrpc":"2.0","id":"s9","method":"roots/list","params":{"_meta":{"progressToken":"p","v/k":1}}}"#
    let translator = Translator(.none, .r20251125, .r20251125)
    #expect(
      translator.write(question) { ServerTranslation.request($0, id: 4, progressToken: 5, splice: &$1) }
        == #"{"jsonrpc":"2.0","id":4,"method":"roots/list","params":{"_meta":{"progressToken":5,"v/k":1}}}"#)
    #expect(
      translator.write(question) { ServerTranslation.request($0, id: 4, progressToken: nil, splice: &$1) }
        == #"{"jsonrpc":"2.0","id":4,"method":"roots/list","params":{"_meta":{"v/k":1}}}"#)
    let id = Array(#""s9""#.utf8)
    #expect(
      translator.write(#"{"jsonrpc":"2.0","id":4,"result":{"roots":[]}}"#) {
        RequestTranslation.response($0, serverID: id.rawBytes, splice: &$1)
      } == #"{"jsonrpc":"2.0","id":"s9","result":{"roots":[]}}"#)
    #expect(
      translator.write(Self.progress) { RequestTranslation.progress($0, serverToken: id.rawBytes, splice: &$1) }
        == Self.progress.replacing("55", with: #""s9""#))
  }

  @Test("the gateway's own messages read as they should")
  func own() {
    let id = Array("7".utf8)
    let text = { (write: (inout ByteBuffer) -> Void) in
      var buffer = ByteBuffer()
      write(&buffer)
      let isValid = JSON.isValid(buffer.bytes)
      #expect(isValid, "\(buffer.bytes.text)")
      return buffer.bytes.text
    }
    #expect(text { $0.append(request: .ping, id: 3) } == #"{"jsonrpc":"2.0","id":3,"method":"ping"}"#)
    #expect(
      text { $0.append(notification: .notifyInitialized) }
        == #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    #expect(
      text { $0.append(modernRequest: .toolsList, id: 3, meta: Translator.meta) }
        == #"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"_meta":{\#(Translator.envelope)}}}"#)
    #expect(
      text {
        $0.append(
          modernRequest: .toolsList, id: 3, members: (#""cursor":"""# as StaticString).bytes, meta: Translator.meta)
      }
        == #"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":"","_meta":{\#(Translator.envelope)}}}"#)
    #expect(
      text { $0.append(result: ("{}" as StaticString).bytes, responseTo: id.rawBytes) }
        == #"{"jsonrpc":"2.0","id":7,"result":{}}"#)
    #expect(
      text { $0.append(errorCode: -32601, "no \"x\"", responseTo: nil) }
        == #"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no \"x\""}}"#)
    #expect(
      text { $0.append(cancelled: 9, reason: "why") }
        == #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9,"reason":"why"}}"#)
    #expect(
      text { $0.append(changed: .templates, subscriptionID: nil) }
        == #"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#)
    #expect(
      text { $0.append(acknowledged: ("{}" as StaticString).bytes, subscriptionID: id.rawBytes) }
        == #"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":7}}}"#
    )
    #expect(
      text { $0.append(listenEnded: id.rawBytes) }
        == #"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":7}}}"#
    )
    #expect(
      text { $0.append(toolError: "n\"o", id: id.rawBytes, for: .r20251125) }
        == #"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"n\"o"}],"isError":true}}"#)
  }
}
