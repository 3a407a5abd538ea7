import MCP
import Testing
import Translation
import Wire

/// MCP 2026-07-28, Basic, Error Codes, and the codes that older revisions and SDKs have.
@Suite struct ErrorTranslationTests {
  static func error(_ code: Int, _ message: String = "m", data: String? = nil) -> String {
    let tail = data.map { ",\"data\":\($0)" } ?? ""
    return #"{"jsonrpc":"2.0","id":55,"error":{"code":\#(code),"message":"\#(message)"\#(tail)}}"#
  }

  static func forwarded(_ text: String) -> String { text.replacing("55", with: #""c""#) }

  @Test("an error passes under the client's id, whatever id it came with")
  func ids() {
    let translator = Translator(.toolsCall, .r20251125, .r20251125)
    for (id, expected) in [
      (#""id":55,"#, #"{"jsonrpc":"2.0","id":"c","error":"#), (#""id":null,"#, #"{"jsonrpc":"2.0","id":"c","error":"#),
      (#""id":"server-error","#, #"{"jsonrpc":"2.0","id":"c","error":"#),
      ("", #"{"id":"c","jsonrpc":"2.0","error":"#),
    ] {
      let (outcome, text) = translator.response(#"{"jsonrpc":"2.0",\#(id)"error":{"code":-32602,"message":"m"}}"#)
      #expect(outcome == .forward(status: 200))
      #expect(text == expected + #"{"code":-32602,"message":"m"}}"#)
    }
  }

  @Test("a method that the upstream lacks is 404 to a modern client and 200 to a legacy one")
  func methodNotFound() {
    for upstream in [Revision.r20251125, .r20260728] {
      #expect(
        Translator(.completionComplete, .r20260728, upstream).response(Self.error(-32601)).outcome
          == .forward(status: 404))
      #expect(
        Translator(.completionComplete, .r20251125, upstream).response(Self.error(-32601)).outcome
          == .forward(status: 200))
    }
  }

  @Test("what describes the upstream's hop is mended, and never told as the client's fault")
  func hopErrors() {
    for client in [Revision.r20251125, .r20260728] {
      let translator = Translator(.toolsCall, client, .r20260728)
      for (code, recovery) in [(-32020, Recovery.relistTools), (-32022, .rediscover)] {
        guard case .recover(let found, let error) = translator.response(Self.error(code, "why")).outcome else {
          Issue.record("\(code)")
          continue
        }
        #expect(found == recovery)
        #expect(error.answer(to: client.era).code == -32603)
        #expect(error.phrase == "why")
        #expect(error.server == "up")
      }
    }
  }

  @Test("a missing capability is told again to a modern client, and in words to a legacy one")
  func missingCapability() {
    let message = Self.error(-32021, data: #"{"requiredCapabilities":{"sampling":{}}}"#)
    guard case .replace(let error) = Translator(.toolsCall, .r20260728, .r20260728).response(message).outcome else {
      Issue.record("modern")
      return
    }
    #expect(error.answer(to: .modern).status == 400)
    #expect(error.answer(to: .modern).code == -32021)
    var buffer = ByteBuffer()
    buffer.append(error, id: nil, to: .modern)
    #expect(buffer.bytes.text.contains(#""requiredCapabilities":{"sampling":{}}"#))

    guard case .toolError(let text) = Translator(.toolsCall, .r20251125, .r20260728).response(message).outcome else {
      Issue.record("tool")
      return
    }
    #expect(text.contains("sampling"))
    guard case .replace(let other) = Translator(.promptsGet, .r20251125, .r20260728).response(message).outcome else {
      Issue.record("prompt")
      return
    }
    #expect(other.answer(to: .legacy).code == -32603)
    #expect(other.phrase.contains("sampling"))
  }

  @Test("URL elicitation passes to 2025-11-25 alone, others learn the URL")
  func urlElicitation() {
    let message = Self.error(-32042, data: #"{"elicitations":[{"url":"https:\/\/a/b"}]}"#)
    #expect(Translator(.toolsCall, .r20251125, .r20251125).response(message).outcome == .forward(status: 200))
    for client in [Revision.r20250618, .r20241105, .r20260728] {
      guard case .replace(let error) = Translator(.toolsCall, client, .r20251125).response(message).outcome else {
        Issue.record("\(client)")
        continue
      }
      #expect(error.answer(to: client.era).code == -32603)
      #expect(error.phrase.contains("https://a/b"))
    }
  }

  @Test("private codes pass within the legacy era and become -32603 with the original in data for a modern client")
  func privateCodes() {
    for code in [-32000, -32001, -32019, 0, -1, -32800] {
      let (outcome, text) = Translator(.toolsCall, .r20251125, .r20250618).response(Self.error(code))
      #expect(outcome == .forward(status: 200))
      #expect(text == Self.forwarded(Self.error(code)))
      guard
        case .replace(let error) = Translator(.toolsCall, .r20260728, .r20251125).response(Self.error(code, "why"))
          .outcome
      else {
        Issue.record("\(code)")
        continue
      }
      var buffer = ByteBuffer()
      buffer.append(error, id: nil, to: .modern)
      let isValid = JSON.isValid(buffer.bytes)
      #expect(isValid)
      #expect(
        buffer.bytes.text
          == #"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"why","data":{"reason":"upstream_refused","server":"up","error":{"code":\#(code),"message":"why"}}}}"#
      )
    }
    for code in [-32602, -32603, 42] {
      let (outcome, text) = Translator(.toolsCall, .r20260728, .r20251125).response(Self.error(code))
      #expect(outcome == .forward(status: 200))
      #expect(text == Self.forwarded(Self.error(code)))
    }
  }

  @Test(
    "a resource that a modern server has not is told to a legacy client with -32002",
    arguments: [
      ("Resource not found", nil, -32002), ("m", #"{"uri":"x:1"}"#, -32002), ("Unknown resource: x", nil, -32002),
      ("bad argument", nil, -32602), ("m", #"{"other":1}"#, -32602),
    ] as [(String, String?, Int)])
  func notFoundToLegacy(_ message: String, _ data: String?, _ code: Int) {
    let (outcome, text) = Translator(.resourcesRead, .r20251125, .r20260728).response(
      Self.error(-32602, message, data: data))
    #expect(outcome == .forward(status: 200))
    #expect(text == Self.forwarded(Self.error(code, message, data: data)))
  }

  @Test("a resource that a legacy server has not is told to a modern client with -32602 and its URI")
  func notFoundToModern() {
    let translator = Translator(.resourcesRead, .r20260728, .r20251125)
    let uri = #"{"uri":"x:1"}"#
    #expect(
      translator.response(Self.error(-32002, "gone", data: uri), uri: "x:2").text
        == Self.forwarded(Self.error(-32602, "gone", data: uri)))
    #expect(
      translator.response(Self.error(-32002, "gone"), uri: "x:1").text
        == #"{"jsonrpc":"2.0","id":"c","error":{"data":{"uri":"x:1"},"code":-32602,"message":"gone"}}"#)
    #expect(
      translator.response(Self.error(-32002, "gone", data: #"{"a":1}"#), uri: "x:1").text
        == #"{"jsonrpc":"2.0","id":"c","error":{"code":-32602,"message":"gone","data":{"uri":"x:1","a":1}}}"#)
    #expect(
      translator.response(Self.error(-32002, "gone", data: "7"), uri: "x:1").text
        == #"{"jsonrpc":"2.0","id":"c","error":{"data":{"uri":"x:1"},"code":-32602,"message":"gone"}}"#)
    // The Python SDK's code for it, and the same code for something else.
    #expect(
      translator.response(Self.error(0, "Unknown resource: x:1"), uri: "x:1").text.contains(#""code":-32602"#))
    guard case .replace = translator.response(Self.error(0, "boom"), uri: "x:1").outcome else {
      Issue.record("passed")
      return
    }
  }

  @Test("within an era the codes for a missing resource pass as they are")
  func notFoundWithin() {
    for (revision, code) in [(Revision.r20251125, -32002), (.r20251125, -32602), (.r20260728, -32602)] {
      let text = Translator(.resourcesRead, revision, revision).response(
        Self.error(code, "not found", data: #"{"uri":"x:1"}"#), uri: "x:1"
      ).text
      #expect(text == Self.forwarded(Self.error(code, "not found", data: #"{"uri":"x:1"}"#)))
    }
  }

  // MARK: The gateway's own

  @Test("every kind of error has a status, a code, a phrase and a label of its own, and a valid body")
  func everyKind() {
    var labels: Set<String> = []
    for kind in GatewayError.Kind.allCases {
      for era in [Era.legacy, .modern] {
        let error = GatewayError(kind, server: "a\"b", retryAfterMilliseconds: 1500)
        let answer = error.answer(to: era)
        #expect((200...599).contains(answer.status))
        #expect(answer.code >= -32800 && answer.code <= -32002)
        #expect(!error.phrase.isEmpty)
        #expect((answer.retryAfter == 2) == (answer.status == 503))
        #expect((answer.allow != nil) == (answer.status == 405))
        labels.insert(answer.label.description)
        var buffer = ByteBuffer()
        buffer.append(error, id: Array("7".utf8).rawBytes, to: era)
        let isValid = JSON.isValid(buffer.bytes)
        #expect(isValid)
        #expect(
          buffer.bytes.text.hasSuffix(
            #""data":{"reason":"\#(answer.label)","server":"a\"b","retry_after_ms":1500}}}"#))
      }
    }
    #expect(labels.count == GatewayError.Kind.allCases.count)
  }

  @Test("failures of an upstream are -32603 on HTTP 200 in both eras")
  func upstreamFailures() {
    for kind: GatewayError.Kind in [
      .upstreamUnreachable, .upstreamTimeout, .upstreamClosed, .upstreamRefused, .upstreamInvalid, .upstreamBusy,
      .upstreamCredentials, .resultTooLarge, .serverFailed,
    ] {
      for era in [Era.legacy, .modern] {
        let answer = GatewayError(kind).answer(to: era)
        #expect([answer.status, answer.code] == [200, -32603])
      }
    }
  }

  @Test(
    "codes move with the era as section 3 says",
    arguments: [
      (GatewayError.Kind.methodNotFound, [200, -32601], [404, -32601]),
      (.unknownResource, [200, -32002], [200, -32602]),
      (.missingCapability, [200, -32603], [400, -32021]), (.sessionUnknown, [404, -32600], [404, -32600]),
      (.badHost, [421, -32600], [421, -32600]), (.badOrigin, [403, -32600], [403, -32600]),
      (.invalidCursor, [200, -32602], [200, -32602]), (.unknownTool, [200, -32602], [200, -32602]),
    ])
  func rows(_ kind: GatewayError.Kind, _ legacy: [Int], _ modern: [Int]) {
    let inLegacy = GatewayError(kind).answer(to: .legacy)
    let inModern = GatewayError(kind).answer(to: .modern)
    #expect([inLegacy.status, inLegacy.code] == legacy)
    #expect([inModern.status, inModern.code] == modern)
  }
}
