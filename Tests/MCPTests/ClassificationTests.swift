import MCP
import Testing
import Translation
import Wire

/// MCP 2026-07-28, Basic, Versioning, and Basic/Transports, Streamable HTTP: what an endpoint of both eras answers to each
/// kind of message.
@Suite struct ClassificationTests {
  static let list = #"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#
  static let initialize =
    #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#

  @Test("a request with its envelope in order is modern")
  func modern() throws {
    #expect(try Exchange.modern("tools/list").classified() == .modern(.toolsList))
    #expect(try Exchange.modern("server/discover").classified() == .modern(.serverDiscover))
    #expect(try Exchange.modern("subscriptions/listen").classified() == .modern(.subscriptionsListen))
    #expect(
      try Exchange.modern("tools/call", params: #""name":"add""#, name: "add").classified() == .modern(.toolsCall))
    #expect(
      try Exchange.modern("resources/read", params: #""uri":"file:///a""#, name: "file:///a").classified()
        == .modern(.resourcesRead))
  }

  @Test("a message of a WebSocket says by itself what it is")
  func sockets() throws {
    func classified(_ text: String) -> Inbound {
      let scanner = EnvelopeScanner()
      let bytes = Array(text.utf8)
      return Inbound.classify(scanner.scan(bytes.rawBytes))
    }
    let modern = #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28""#
    let abilities = #","io.modelcontextprotocol/clientCapabilities":{}"#
    func request(_ params: String, _ method: String = "tools/list") -> String {
      #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{\#(params)}}}"#
    }
    #expect(classified(request(modern + abilities)) == .modern(.toolsList))
    #expect(classified(request(modern)).refusal() == [400, -32602])
    #expect(classified(request(modern + abilities, "ping")).refusal() == [404, -32601])
    let unknown = modern.replacing("2026-07-28", with: "2031-01-01")
    #expect(classified(request(unknown + abilities)).refusal() == [400, -32022])
    #expect(classified(Self.list) == .legacyRequest(.toolsList, header: nil))
    #expect(classified(Self.initialize) == .legacyInitialize(.r20250618))
    #expect(classified("[\(Self.list)]") == .legacyBatch(header: nil))
    #expect(classified(#"{"jsonrpc":"2.0","id":1,"result":{}}"#) == .legacyResponse(header: nil))
    let cancelled = #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1"#
    #expect(classified(cancelled + "}}") == .legacyNotification(.notifyCancelled, header: nil))
    #expect(classified(cancelled + "," + modern + "}}}") == .modernNotification(.notifyCancelled))
    #expect(classified("{").refusal() == [400, -32700])
    #expect(classified("{}").refusal() == [400, -32600])
  }

  @Test("session headers mean nothing to a modern request")
  func sessionIgnored() throws {
    let exchange = Exchange.modern("tools/list", extra: [("Mcp-Session-Id", "x"), ("Last-Event-ID", "1")])
    #expect(try exchange.classified() == .modern(.toolsList))
  }

  @Test(
    "a version header that is absent, differs or comes twice is a mismatch, never legacy",
    arguments: [
      [("MCP-Protocol-Version", "")], [("MCP-Protocol-Version", "2025-11-25")],
      [("MCP-Protocol-Version", "2099-01-01")],
    ])
  func versionMismatch(_ overriding: [(String, String)]) throws {
    #expect(try Exchange.modern("tools/list", overriding: overriding).classified().refusal() == [400, -32020])
  }

  @Test("a routing header that comes twice is a mismatch even if both lines agree")
  func repeatedHeaders() throws {
    for header in [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "add")] {
      let exchange = Exchange.modern("tools/call", params: #""name":"add""#, name: "add", extra: [header])
      #expect(try exchange.classified().refusal() == [400, -32020], "\(header.0)")
    }
  }

  @Test("header names in any letter case count, an upper-case method value does not")
  func letterCase() throws {
    let lower = Exchange.modern(
      "tools/list", overriding: [("mcp-protocol-version", "2026-07-28"), ("MCP-METHOD", "tools/list")])
    #expect(try lower.classified() == .modern(.toolsList))
    let upper = Exchange.modern("tools/list", overriding: [("Mcp-Method", "TOOLS/LIST")])
    #expect(try upper.classified().refusal() == [400, -32020])
  }

  @Test("Mcp-Method absent or other than the method is a mismatch")
  func methodMismatch() throws {
    #expect(
      try Exchange.modern("tools/list", overriding: [("Mcp-Method", "")]).classified().refusal() == [400, -32020])
    #expect(
      try Exchange.modern("tools/list", overriding: [("Mcp-Method", "tools/call")]).classified().refusal()
        == [400, -32020])
  }

  @Test(
    "Mcp-Name stands for the name in plain, padded and base64 form",
    arguments: [
      ("add", "add"), ("add", "  add  "), ("t é", "=?base64?dCDDqQ==?="), ("add", "=?base64?YWRk?="),
      ("=?base64?x", "=?base64?x"), ("x?=", "x?="), (#"a\u0064d"#, "add"),
    ])
  func nameMatches(_ name: String, _ header: String) throws {
    let exchange = Exchange.modern("tools/call", params: #""name":"\#(name)""#, name: header)
    #expect(try exchange.classified() == .modern(.toolsCall))
  }

  @Test(
    "Mcp-Name that differs, is malformed, absent or without counterpart is a mismatch",
    arguments: [
      (#""name":"add""#, "sub"), (#""name":"add""#, "=?base64?YWRk=?="), (#""name":"add""#, "=?base64?YW*k?="),
      (#""name":"add""#, nil), (#""arguments":{}"#, "add"), (#""name":"t é""#, "=?BASE64?dCDDqQ==?="),
    ] as [(String, String?)])
  func nameMismatch(_ params: String, _ header: String?) throws {
    #expect(
      try Exchange.modern("tools/call", params: params, name: header).classified().refusal() == [400, -32020])
  }

  @Test("a task method is unknown here, but its mirrored name is still looked at first")
  func tasks() throws {
    #expect(
      try Exchange.modern("tasks/get", params: #""taskId":"t""#, name: "t").classified().refusal() == [404, -32601])
    #expect(try Exchange.modern("tasks/get", params: #""taskId":"t""#).classified().refusal() == [400, -32020])
  }

  @Test("an unknown version with a matching header is refused with what is served")
  func unsupportedVersion() throws {
    for version in ["2099-01-01", "2025-11-25"] {
      let inbound = try Exchange.modern("tools/list", version: version).classified()
      #expect(inbound.refusal() == [400, -32022])
      guard case .reject(let error) = inbound else { continue }
      var buffer = ByteBuffer()
      buffer.append(error, id: "7".utf8Span.span.rawBytes, to: .modern)
      let text = buffer.bytes.text
      #expect(text.contains(#""supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"]"#))
      #expect(text.contains(#""requested":"\#(version)""#))
      #expect(text.contains(#""id":7"#))
    }
  }

  @Test("a self-contradicting client gets the mismatch before the version")
  func mismatchFirst() throws {
    let exchange = Exchange.modern(
      "tools/list", version: "2099-01-01", overriding: [("Mcp-Method", "prompts/list")])
    #expect(try exchange.classified().refusal() == [400, -32020])
  }

  @Test(
    "removed and server-side methods are not found",
    arguments: [
      "initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list",
      "tasks/result", "sampling/createMessage", "roots/list", "elicitation/create",
    ])
  func methodNotFound(_ method: String) throws {
    #expect(try Exchange.modern(method).classified().refusal() == [404, -32601])
  }

  @Test("of a method that no revision has its server says whether it is there", arguments: ["no/such", "TOOLS/LIST"])
  func otherMethods(_ method: String) throws {
    #expect(try Exchange.modern(method).classified() == .modern(.other))
  }

  @Test("an envelope without a required key is refused as invalid params")
  func partialEnvelope() throws {
    let version = #""io.modelcontextprotocol/protocolVersion":"2026-07-28""#
    for meta in [
      "{\(version)}", #"{\#(version),"io.modelcontextprotocol/clientCapabilities":[]}"#,
      #"{"io.modelcontextprotocol/protocolVersion":1,"io.modelcontextprotocol/clientCapabilities":{}}"#,
    ] {
      let exchange = Exchange.legacy(
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":\#(meta)}}"#,
        [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/list")])
      #expect(try exchange.classified().refusal() == [400, -32602])
    }
  }

  @Test("a request without envelope under a modern or unknown version header lacks its envelope")
  func missingEnvelope() throws {
    for version in ["2026-07-28", "2099-01-01"] {
      let exchange = Exchange.legacy(Self.list, [("MCP-Protocol-Version", version)])
      #expect(try exchange.classified().refusal() == [400, -32602])
    }
  }

  @Test("a version that is not served is named, with those that are, whatever the request is")
  func unservedVersion() throws {
    let response = #"{"jsonrpc":"2.0","id":1,"result":{}}"#
    let initialized = #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
    for body in [Self.list, response, initialized, "[\(Self.list)]"] {
      guard case .reject(let error) = try Exchange.legacy(body, [("MCP-Protocol-Version", "1900-01-01")]).classified()
      else {
        #expect(Bool(false), "\(body)")
        continue
      }
      #expect(error.phrase.contains("\"1900-01-01\"") && error.phrase.contains("2025-11-25"), "\(body)")
    }
    let twice = [("MCP-Protocol-Version", "2025-11-25"), ("MCP-Protocol-Version", "2025-06-18")]
    guard case .reject(let error) = try Exchange.legacy(Self.list, twice).classified() else {
      return #expect(Bool(false))
    }
    #expect(error.phrase.contains("comes twice") && error.phrase.contains("2025-11-25"))
    let long = String(repeating: "x", count: 5000)
    guard case .reject(let bounded) = try Exchange.legacy(Self.list, [("MCP-Protocol-Version", long)]).classified()
    else { return #expect(Bool(false)) }
    #expect(bounded.phrase.utf8.count < 400)
  }

  @Test("an unknown log level is refused")
  func logLevel() throws {
    #expect(
      try Exchange.modern("tools/list", meta: #""io.modelcontextprotocol/logLevel":"loud""#).classified().refusal()
        == [400, -32602])
    #expect(
      try Exchange.modern("tools/list", meta: #""io.modelcontextprotocol/logLevel":"info""#).classified()
        == .modern(.toolsList))
  }

  @Test("a modern notification is taken and dropped")
  func modernNotification() throws {
    let body = #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#
    #expect(
      try Exchange.legacy(body, [("MCP-Protocol-Version", "2026-07-28")]).classified()
        == .modernNotification(.notifyCancelled))
  }

  @Test(
    "initialize answers with the version asked for if it is legacy, else with the newest legacy one",
    arguments: [
      ("2024-11-05", Revision.r20241105), ("2025-03-26", .r20250326), ("2025-06-18", .r20250618),
      ("2025-11-25", .r20251125), ("2026-07-28", .r20251125), ("1999-01-01", .r20251125), ("", .r20251125),
    ])
  func initialize(_ label: String, _ revision: Revision) throws {
    let body =
      #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"\#(label)","capabilities":{}}}"#
    #expect(try Exchange.legacy(body).classified() == .legacyInitialize(revision))
  }

  @Test("initialize opens a session under any header but the modern version")
  func initializeHeaders() throws {
    for version in ["2025-11-25", "2099-01-01"] {
      #expect(
        try Exchange.legacy(Self.initialize, [("MCP-Protocol-Version", version)]).classified()
          == .legacyInitialize(.r20250618))
    }
    let inbound = try Exchange.legacy(Self.initialize, [("MCP-Protocol-Version", "2026-07-28")]).classified()
    #expect(inbound.refusal() == [400, -32602])
    guard case .reject(let error) = inbound else { return }
    #expect(error.phrase.contains("2025-11-25"))
  }

  @Test("initialize without a version is answered within JSON-RPC")
  func initializeWithoutVersion() throws {
    let body = #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#
    #expect(try Exchange.legacy(body).classified().refusal(.legacy) == [200, -32602])
  }

  @Test("traffic without envelope and with no or a legacy header belongs to a session")
  func legacy() throws {
    #expect(try Exchange.legacy(Self.list).classified() == .legacyRequest(.toolsList, header: nil))
    #expect(
      try Exchange.legacy(Self.list, [("MCP-Protocol-Version", "2025-06-18")]).classified()
        == .legacyRequest(.toolsList, header: .r20250618))
    let notification = #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
    #expect(
      try Exchange.legacy(notification).classified() == .legacyNotification(.notifyInitialized, header: nil))
    for response in [
      #"{"jsonrpc":"2.0","id":1,"result":{}}"#, #"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#,
    ] {
      #expect(try Exchange.legacy(response).classified() == .legacyResponse(header: nil))
    }
  }

  @Test("a response or an array under a modern or unknown header is an invalid request")
  func modernResponse() throws {
    for version in ["2026-07-28", "2099-01-01"] {
      for body in [#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "[\(Self.list)]"] {
        #expect(
          try Exchange.legacy(body, [("MCP-Protocol-Version", version)]).classified().refusal() == [400, -32600])
      }
    }
  }

  @Test("an array without a modern header is for the session to judge")
  func batch() throws {
    #expect(try Exchange.legacy("[\(Self.list)]").classified() == .legacyBatch(header: nil))
    #expect(
      try Exchange.legacy("[\(Self.list)]", [("MCP-Protocol-Version", "2025-03-26")]).classified()
        == .legacyBatch(header: .r20250326))
  }

  @Test(
    "what is no JSON-RPC message is refused with 400",
    arguments: [
      ("{", -32700), ("nonsense", -32700), ("", -32700), (#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
      (#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600), (#"{"id":1,"method":"ping"}"#, -32600),
      (#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600), (#"{"jsonrpc":"2.0"}"#, -32600), ("3", -32600),
      (#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600),
      (#"{"jsonrpc":"2.0","id":1,"method":"ping","params":3}"#, -32600),
    ])
  func malformed(_ body: String, _ code: Int) throws {
    #expect(try Exchange.legacy(body).classified().refusal() == [400, code])
  }

  @Test(
    "Accept must allow both types, by name or wildcard",
    arguments: [
      ("application/json, text/event-stream", true), ("text/event-stream;q=0.5,application/json", true),
      ("*/*", true), ("application/*, text/*", true), ("APPLICATION/JSON, Text/Event-Stream", true),
      ("application/json", false), ("text/event-stream", false), ("text/html", false), ("", false),
      ("application/json, text/event-stream;q=0", false), ("application/json, text/event-stream;q=0.0", false),
    ])
  func accept(_ value: String, _ isGood: Bool) throws {
    var exchange = Exchange.legacy(Self.list)
    exchange.headers = [Exchange.json, ("Accept", value)]
    #expect(try exchange.classified().refusal() == (isGood ? nil : [406, -32600]))
  }

  @Test("Accept may come on two lines, and is missed when it is absent")
  func acceptLines() throws {
    var exchange = Exchange.legacy(Self.list)
    exchange.headers = [("Accept", "application/json"), Exchange.json, ("Accept", "text/event-stream")]
    #expect(try exchange.classified() == .legacyRequest(.toolsList, header: nil))
    exchange.headers = [Exchange.json]
    #expect(try exchange.classified().refusal() == [406, -32600])
  }

  @Test("Content-Type must be JSON, parameters aside")
  func contentType() throws {
    for (value, isGood) in [
      ("application/json", true), ("application/json; charset=utf-8", true), ("Application/JSON", true),
      ("text/plain", false), ("application/jsonx", false), ("", false),
    ] {
      var exchange = Exchange.legacy(Self.list)
      exchange.headers = [Exchange.both, ("Content-Type", value)]
      #expect(try exchange.classified().refusal() == (isGood ? nil : [415, -32600]), "\(value)")
    }
  }

  @Test("GET and DELETE belong to legacy sessions alone")
  func getAndDelete() throws {
    let stream = ("Accept", "text/event-stream")
    let session = ("Mcp-Session-Id", "abc")
    let cases: [(String, [(String, String)], Inbound?, [Int]?)] = [
      ("GET", [stream, session], .stream(header: nil), nil),
      ("GET", [stream, session, ("MCP-Protocol-Version", "2025-11-25")], .stream(header: .r20251125), nil),
      ("DELETE", [session], .terminate(header: nil), nil),
      ("GET", [stream, session, ("MCP-Protocol-Version", "2026-07-28")], nil, [405, -32600]),
      ("DELETE", [session, ("MCP-Protocol-Version", "2026-07-28")], nil, [405, -32600]),
      ("GET", [stream, session, ("MCP-Protocol-Version", "2099-01-01")], nil, [400, -32602]),
      ("GET", [stream], nil, [405, -32600]),
      ("GET", [stream, ("MCP-Protocol-Version", "2025-11-25")], nil, [400, -32600]),
      ("GET", [session, ("Accept", "application/json")], nil, [406, -32600]),
      ("DELETE", [], nil, [400, -32600]),
      ("PUT", [], nil, [405, -32600]),
    ]
    for (method, headers, inbound, refusal) in cases {
      let found = try Exchange(method: method, headers: headers).classified()
      if let inbound { #expect(found == inbound) }
      #expect(found.refusal() == refusal, "\(method) \(headers)")
    }
    #expect(GatewayError(.methodNotAllowed).answer(to: .modern).allow?.description == "POST")
  }

  @Test(
    "a batch holds calls or responses, never both, and never initialize",
    arguments: [
      (#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"}]"#, 1),
      (#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#, 0),
      (#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, -1),
      ("[]", -32600), ("[1]", -32600), (#"[[{"jsonrpc":"2.0","id":1,"method":"ping"}]]"#, -32600),
      (#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":1,"result":{}}]"#, -32600),
      (#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]"#, -32600),
      (
        #"[{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}]"#,
        -32600
      ),
    ])
  func batchContent(_ body: String, _ expected: Int) {
    let bytes = Array(body.utf8)
    let found = Batch.classify(bytes.rawBytes, scanner: EnvelopeScanner())
    switch found {
    case .calls(let requests): #expect(requests == expected)
    case .responses: #expect(expected == -1)
    case .reject(let error): #expect(error.answer(to: .legacy).code == expected)
    }
  }
}
