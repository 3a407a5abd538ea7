import MCP
import Testing
import Translation
import Wire

/// From upstream to client, within an era and across them.
@Suite struct ResponseTranslationTests {
  static let legacy: [Revision] = [.r20241105, .r20250326, .r20250618, .r20251125]

  @Test("within the legacy era a result passes byte for byte under the client's id")
  func legacyToLegacy() {
    let translator = Translator(.toolsCall, .r20251125, .r20250618)
    let result =
      #"{ "content" : [{"type":"text","text":"\u00e9"}],"structuredContent":{"n":1.10,"m":18446744073709551616},"x":{"a":1,"a":2}, "_meta":{"v/k":[]} }"#
    #expect(translator.result(result) == result)
    // Streaming keeps all but the blanks between the members that it looks at.
    let streamed =
      #"{"content":[{"type":"text","text":"\u00e9"}],"structuredContent":{"n":1.10,"m":18446744073709551616},"x":{"a":1,"a":2},"_meta":{"v/k":[]}}"#
    for cut in [0, 1, 20, 40, 80, 500] { #expect(translator.streamed(result, cut: cut) == streamed) }
  }

  @Test("an empty result stays empty for a legacy client and says complete to a modern one")
  func empty() {
    for client in Self.legacy {
      #expect(Translator(.completionComplete, client, .r20260728).result(#"{"resultType":"complete"}"#) == "{}")
      #expect(Translator(.completionComplete, client, .r20251125).result("{}") == "{}")
    }
    #expect(
      Translator(.completionComplete, .r20260728, .r20251125).result("{}")
        == #"{"resultType":"complete","_meta":{\#(Translator.stamp)}}"#)
  }

  @Test("modern upstream, legacy client: what only the modern hop knows is taken off")
  func modernToLegacy() {
    let upstream =
      #"{"resultType":"complete","contents":[],"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"u"},"v/k":1,"io.modelcontextprotocol/subscriptionId":1}}"#
    for client in Self.legacy {
      let translator = Translator(.resourcesRead, client, .r20260728)
      let expected = #"{"contents":[],"_meta":{"v/k":1}}"#
      #expect(translator.result(upstream) == expected)
      for cut in stride(from: 0, to: 200, by: 7) { #expect(translator.streamed(upstream, cut: cut) == expected) }
    }
  }

  @Test("legacy upstream, modern client: type, caching hints and the gateway's stamp are added")
  func legacyToModern() {
    let call = Translator(.toolsCall, .r20260728, .r20251125)
    #expect(
      call.result(#"{"content":[]}"#)
        == #"{"resultType":"complete","_meta":{\#(Translator.stamp)},"content":[]}"#)
    #expect(
      call.result(#"{"structuredContent":{"a":1}}"#)
        == #"{"resultType":"complete","content":[],"_meta":{\#(Translator.stamp)},"structuredContent":{"a":1}}"#)
    let read = Translator(.resourcesRead, .r20260728, .r20241105)
    #expect(
      read.result(#"{"contents":[],"_meta":{"v/k":1}}"#)
        == #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[],"_meta":{\#(Translator.stamp),"v/k":1}}"#
    )
    // What such a server says of them by itself is replaced.
    #expect(
      read.result(#"{"ttlMs":9,"contents":[],"resultType":"x"}"#)
        == #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{\#(Translator.stamp)},"contents":[]}"#)
  }

  @Test("a streamed result is given the same members")
  func streamedToModern() {
    let read = Translator(.resourcesRead, .r20260728, .r20251125)
    for cut in stride(from: 0, to: 100, by: 3) {
      let text = read.streamed(#"{"contents":[],"_meta":{"v/k":1}}"#, cut: cut)
      #expect(
        text
          == #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[],"_meta":{\#(Translator.stamp),"v/k":1}}"#
      )
      let added = read.streamed(#"{"contents":[]}"#, cut: cut)
      #expect(
        added
          == #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[],"_meta":{\#(Translator.stamp)}}"#
      )
    }
  }

  @Test("modern on both sides: the stamp becomes the gateway's, the rest stays, absent hints are added")
  func modernToModern() {
    let read = Translator(.resourcesRead, .r20260728, .r20260728)
    #expect(
      read.result(
        #"{"resultType":"complete","ttlMs":7,"cacheScope":"public","contents":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"u"}}}"#
      )
        == #"{"resultType":"complete","ttlMs":7,"cacheScope":"public","contents":[],"_meta":{\#(Translator.stamp)}}"#)
    #expect(
      read.result(#"{"contents":[]}"#)
        == #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{\#(Translator.stamp)},"contents":[]}"#)
    // Of one without a type no hint counts, and none comes twice.
    #expect(
      read.result(#"{"ttlMs":9,"contents":[],"cacheScope":"public"}"#)
        == #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{\#(Translator.stamp)},"contents":[]}"#)
  }

  @Test("input_required passes between modern peers, and is a clear error for a legacy client")
  func inputRequired() {
    let result =
      #"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{}},"l":{"method":"roots/list"},"m":{"method":"roots/list"}},"requestState":"X"}"#
    let modern = Translator(.toolsCall, .r20260728, .r20260728).result(result)
    #expect(modern.contains(#""inputRequests":{"k":{"method":"elicitation/create","params":{}}"#))
    #expect(modern.contains(#""requestState":"X""#))
    for client in Self.legacy {
      let outcome = Translator(.toolsCall, client, .r20260728).response(
        #"{"jsonrpc":"2.0","id":55,"result":\#(result)}"#
      ).outcome
      guard case .replace(let error) = outcome else {
        Issue.record("\(outcome)")
        continue
      }
      #expect(error.kind == .notAcrossEras)
      #expect(error.server == "up")
      #expect(error.phrase.contains("elicitation/create, roots/list"))
      #expect(error.answer(to: .legacy).code == -32603)
      #expect(error.answer(to: .legacy).status == 200)
    }
  }

  @Test("a result of a type that the client can't know never passes")
  func unknownResultType() {
    for (method, type) in [
      (Method.toolsCall, "task"), (.toolsCall, "new"), (.completionComplete, "input_required"),
    ] {
      for client in [Revision.r20260728, .r20251125] {
        let outcome = Translator(method, client, .r20260728).response(
          #"{"jsonrpc":"2.0","id":55,"result":{"resultType":"\#(type)"}}"#
        ).outcome
        guard case .replace(let error) = outcome else {
          Issue.record("\(outcome)")
          continue
        }
        #expect(error.answer(to: client.era).code == -32603)
      }
    }
  }

  @Test("what a method that no revision has answers keeps its members, whatever they are called")
  func otherMethods() {
    let own = #""resultType":"vendor/partial","ttlMs":1,"cacheScope":"x","content":[{"type":"audio"}]"#
    for client in Revision.allCases where client.era == .legacy {
      let translator = Translator(.other, client, .r20251125)
      #expect(translator.result("{\(own)}") == "{\(own)}")
      for cut in [1, 60, 90] { #expect(translator.streamed("{\(own)}", cut: cut) == "{\(own)}") }
    }
    let modern = Translator(.other, .r20260728, .r20260728)
    #expect(modern.result("{\(own)}") == #"{"_meta":{\#(Translator.stamp)},\#(own)}"#)
    for cut in [1, 60, 90] { #expect(modern.streamed("{\(own)}", cut: cut).contains(own)) }
    let rest = #""ttlMs":1,"cacheScope":"x","content":[{"type":"audio"}]"#
    let up = Translator(.other, .r20260728, .r20251125)
    #expect(up.result("{\(own)}") == #"{"resultType":"complete","_meta":{\#(Translator.stamp)},\#(rest)}"#)
    for cut in [1, 60, 90] {
      #expect(
        up.streamed("{\(own)}", cut: cut) == #"{"resultType":"complete",\#(rest),"_meta":{\#(Translator.stamp)}}"#)
    }
    let down = Translator(.other, .r20251125, .r20260728)
    let complete = #"{"resultType":"complete",\#(rest)}"#
    #expect(down.result(complete) == "{\(rest)}")
    for cut in [1, 60, 90] { #expect(down.streamed(complete, cut: cut) == "{\(rest)}") }
  }

  // MARK: 21.4

  @Test("structured results are dropped before 2025-06-18, kept as text if there is no other")
  func structuredForOld() {
    for client in [Revision.r20241105, .r20250326] {
      let translator = Translator(.toolsCall, client, .r20251125)
      #expect(
        translator.result(#"{"content":[{"type":"text","text":"t"}],"structuredContent":{"a":1}}"#)
          == #"{"content":[{"type":"text","text":"t"}]}"#)
      for content in [#""content":[],"#, ""] {
        #expect(
          translator.result(#"{\#(content)"structuredContent":{"a":"x"},"isError":false}"#)
            == #"{"content":[{"type":"text","text":"{\"a\":\"x\"}"}],"isError":false}"#)
      }
    }
  }

  @Test("a structured result that is no object is wrapped for 2025-06-18 and 2025-11-25")
  func structuredWrapped() {
    for client in [Revision.r20250618, .r20251125] {
      let translator = Translator(.toolsCall, client, .r20260728)
      #expect(
        translator.result(#"{"content":[],"structuredContent": [1, 2] }"#)
          == #"{"content":[],"structuredContent": {"result":[1, 2]} }"#)
      #expect(
        translator.result(#"{"content":[],"structuredContent":{"a":1}}"#)
          == #"{"content":[],"structuredContent":{"a":1}}"#)
      let streaming = Translator(.toolsCall, client, .r20260728, nonObject: true)
      #expect(streaming.streamed(#"{"content":[],"structuredContent":[1]}"#, cut: 50) == #"{"content":[]}"#)
    }
    #expect(
      Translator(.toolsCall, .r20260728, .r20260728).result(
        #"{"resultType":"complete","content":[],"structuredContent":[1]}"#
      )
      .contains(#""structuredContent":[1]"#))
  }

  @Test("links become text before 2025-06-18, audio before 2025-03-26")
  func blocks() {
    let content =
      #"[{"type":"text","text":"a"},{"type":"resource_link","uri":"f:\/\/x","name":"N"},{"type":"resource_link","uri":"f:y"},{"type":"audio","data":"AA==","mimeType":"audio/wav"}]"#
    let links =
      #"{"type":"text","text":"a"},{"type":"text","text":"N: f:\/\/x"},{"type":"text","text":"f:y"}"#
    let audio = #"{"type":"audio","data":"AA==","mimeType":"audio/wav"}"#
    for (client, expected) in [
      (Revision.r20241105, "[\(links),{\"type\":\"text\",\"text\":\"[audio, audio/wav]\"}]"),
      (.r20250326, "[\(links),\(audio)]"), (.r20250618, content), (.r20251125, content),
    ] {
      let call = Translator(.toolsCall, client, .r20251125)
      #expect(call.result(#"{"content":\#(content)}"#) == #"{"content":\#(expected)}"#)
      #expect(ResponseTranslation.needsWhole(call.hop) == (client < .r20250618))
    }
    let prompt = Translator(.promptsGet, .r20250326, .r20251125)
    #expect(
      prompt.result(
        #"{"messages":[{"role":"user","content":{"type":"resource_link","uri":"f:y","name":"N"}},{"role":"user","content":{"type":"text","text":"t"}}]}"#
      )
        == #"{"messages":[{"role":"user","content":{"type":"text","text":"N: f:y"}},{"role":"user","content":{"type":"text","text":"t"}}]}"#
    )
  }

  @Test("many blocks are converted in one go")
  func manyBlocks() {
    let link = #"{"type":"resource_link","uri":"f:y"}"#
    let content = Array(repeating: link, count: 300).joined(separator: ",")
    let text = Array(repeating: #"{"type":"text","text":"f:y"}"#, count: 300).joined(separator: ",")
    #expect(
      Translator(.toolsCall, .r20241105, .r20251125).result("{\"content\":[\(content)]}") == "{\"content\":[\(text)]}")
  }

  @Test("the URIs of a result are found wherever it names them, and marked where another server owns them")
  func links() {
    for (method, result, expected) in [
      (
        Method.toolsCall,
        #"{"content":[{"type":"resource_link","uri":"f:1","name":"n"},{"type":"resource","resource":{"uri":"f:2","text":"f:1"}},{"type":"text","text":"f:1"}]}"#,
        #"{"content":[{"type":"resource_link","uri":"f:1?sluice-server=b","name":"n"},{"type":"resource","resource":{"uri":"f:2","text":"f:1"}},{"type":"text","text":"f:1"}]}"#
      ),
      (
        .resourcesRead, #"{"contents":[{"uri":"f:1"},{"uri":"f:2"}]}"#,
        #"{"contents":[{"uri":"f:1?sluice-server=b"},{"uri":"f:2"}]}"#
      ),
      (
        .promptsGet, #"{"messages":[{"content":{"type":"resource","resource":{"uri":"f:1"}}}]}"#,
        #"{"messages":[{"content":{"type":"resource","resource":{"uri":"f:1?sluice-server=b"}}}]}"#
      ),
    ] {
      let message = #"{"jsonrpc":"2.0","id":1,"result":\#(result)}"#
      let text = Translator(method, .r20251125, .r20251125).write(message) { envelope, splice in
        ResultLinks.mark(envelope, method: method, alias: "b", splice: &splice) { $0.equals("f:1") }
      }
      #expect(text == #"{"jsonrpc":"2.0","id":1,"result":\#(expected)}"#)
    }
  }
}
