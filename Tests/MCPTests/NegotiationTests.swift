import MCP
import Testing
import Wire

/// MCP 2025-11-25, Basic/Lifecycle; 2026-07-28, Basic, Versioning, and Server, Discover; what a gateway of many servers
/// says of itself.
@Suite struct NegotiationTests {
  static let identity = Identity(name: "sluice", version: "1.2", title: "S")

  static func offer(_ alias: String, _ result: String, _ revision: Revision = .r20251125) -> ServerOffer {
    let bytes = Array(#"{"jsonrpc":"2.0","id":1,"result":\#(result)}"#.utf8)
    let scanner = EnvelopeScanner()
    return ServerOffer(alias: alias, answer: scanner.scan(bytes.rawBytes), revision: revision)
  }

  static func text(_ write: (inout ByteBuffer) -> Void) -> String {
    var buffer = ByteBuffer()
    write(&buffer)
    let isValid = JSON.isValid(buffer.bytes)
    #expect(isValid, "\(buffer.bytes.text)")
    return buffer.bytes.text
  }

  @Test("the labels of revisions are known exactly, and nothing else is")
  func labels() {
    for revision in Revision.allCases { #expect(Revision(label: revision.label.bytes) == revision) }
    for label in ["2024-10-07", "2026-07-29", "2025-11-25 ", "", "2025-1"] {
      #expect(Revision(label: Array(label.utf8).rawBytes) == nil)
    }
    #expect(Revision(token: Array(#""2025-\u0030\u0036-18""#.utf8).rawBytes) == .r20250618)
    #expect(Revision(token: Array("20250618".utf8).rawBytes) == nil)
    #expect(Revision.served.first == .r20260728)
    #expect(Set(Revision.served) == Set(Revision.allCases))
  }

  @Test(
    "client capabilities are read as each revision writes them",
    arguments: [
      ("{}", []), (#"{"roots":{}}"#, .roots), (#"{"roots":{"listChanged":true}}"#, [.roots, .rootsListChanged]),
      (#"{"roots":{"listChanged":false}}"#, .roots), (#"{"sampling":{}}"#, .sampling),
      (#"{"sampling":{"tools":{},"context":{}}}"#, [.sampling, .samplingTools, .samplingContext]),
      (#"{"elicitation":{}}"#, .elicitationForm), (#"{"elicitation":{"form":{}}}"#, .elicitationForm),
      (#"{"elicitation":{"url":{}}}"#, .elicitationURL),
      (#"{"elicitation":{"url":{},"form":{}}}"#, [.elicitationForm, .elicitationURL]),
      (#"{"x":1,"experimental":{},"extensions":{},"tasks":{}}"#, [.experimental, .extensions, .tasks]),
      (#"{"roots":true}"#, []), ("[]", []), ("null", []),
    ] as [(String, ClientCapabilities)])
  func clientCapabilities(_ object: String, _ expected: ClientCapabilities) {
    #expect(ClientCapabilities(parsing: Array(object.utf8).rawBytes) == expected)
  }

  @Test("what the gateway declares upstream has the shape of the revision")
  func declared() {
    let all = ClientCapabilities.relayable
    for (revision, expected) in [
      (Revision.r20241105, #"{"roots":{"listChanged":true},"sampling":{}}"#),
      (.r20250618, #"{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}"#),
      (
        .r20251125,
        #"{"roots":{"listChanged":true},"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}}}"#
      ),
      (.r20260728, #"{"roots":{},"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}}}"#),
    ] {
      #expect(Self.text { $0.append(all, for: revision) } == expected)
    }
    #expect(Self.text { $0.append([], for: .r20251125) } == "{}")
    #expect(
      Self.text { $0.append(initializeParams: Self.identity, capabilities: .roots) }
        == #"{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"sluice","version":"1.2","title":"S"}}"#
    )
  }

  @Test("server capabilities are read from either answer; before 2025-03-26 completion goes unsaid")
  func serverCapabilities() {
    let offer = Self.offer(
      "a",
      #"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"completions":{},"experimental":{"e":{}},"extensions":{"x/y":{}},"tasks":{}},"serverInfo":{"name":"u","version":"1"},"instructions":"do"}"#
    )
    #expect(
      offer.capabilities == [
        .tools, .toolsListChanged, .resources, .resourcesSubscribe, .logging, .completions, .experimental,
        .extensions, .tasks,
      ])
    #expect(offer.instructions == Array(#""do""#.utf8))
    #expect(offer.serverInfo == Array(#"{"name":"u","version":"1"}"#.utf8))
    let modern = Self.offer(
      "b",
      #"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"prompts":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m"}}}"#,
      .r20260728)
    #expect(modern.capabilities == .prompts)
    #expect(modern.serverInfo == Array(#"{"name":"m"}"#.utf8))
    #expect(Self.offer("c", #"{"capabilities":{}}"#, .r20241105).capabilities == .completions)
    #expect(Self.offer("c", #"{"capabilities":{}}"#, .r20250326).capabilities == [])
  }

  @Test("what is offered is the union, with list changes wherever there is a list, and without tasks")
  func union() {
    let offer = Offer(
      merging: [
        Self.offer(
          "a",
          #"{"capabilities":{"tools":{},"tasks":{},"extensions":{"x/y":{"a":1},"io.modelcontextprotocol/tasks":{}}}}"#),
        Self.offer(
          "b", #"{"capabilities":{"resources":{"subscribe":true},"completions":{},"extensions":{"x/y":{},"z/w":{}}}}"#),
      ], identity: Self.identity)
    let capabilities =
      #"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"completions":{},"extensions":{"x/y":{"a":1},"z/w":{}}}"#
    let info = #"{"name":"sluice","version":"1.2","title":"S"}"#
    #expect(
      Self.text { $0.append(initializeResult: offer, revision: .r20250618) }
        == #"{"protocolVersion":"2025-06-18","capabilities":\#(capabilities),"serverInfo":\#(info)}"#)
    #expect(!Self.text { $0.append(initializeResult: offer, revision: .r20241105) }.contains("completions"))
    #expect(
      Self.text { $0.append(discoverResult: offer) }
        == #"{"resultType":"complete","supportedVersions":["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"],"capabilities":\#(capabilities),"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":\#(info)}}"#
    )
  }

  private static func instructions(_ texts: [String]) -> String {
    Offer(
      merging: texts.enumerated().map {
        offer("s\($0.offset)", #"{"capabilities":{},"instructions":"\#($0.element)"}"#)
      },
      identity: identity
    ).instructions
  }

  @Test("one server's instructions pass as they are, several stand under headings, all of them bounded")
  func instructions() {
    #expect(Self.instructions([#"a\n\u00e9"#]) == "a\né")
    #expect(Self.instructions(["a", "b"]) == "# s0\n\n> a\n\n# s1\n\n> b")
    #expect(Self.instructions(["", "b"]) == "# s1\n\n> b")
    #expect(Self.instructions([]) == "")
    let long = Self.instructions([String(repeating: "é", count: 10_000), "c"])
    #expect(long.utf8.count <= Negotiation.instructionsLimit)
    #expect(long.utf8.count > Negotiation.instructionsLimit - 8)
    #expect(long.contains("é…\n\n# s1"))
  }

  @Test("no server's instructions take the room of another's, and what one leaves free others may use")
  func instructionShares() {
    let endless = String(repeating: "x", count: 100_000)
    let merged = Self.instructions([endless, "short", endless, "last"])
    #expect(merged.utf8.count <= Negotiation.instructionsLimit)
    #expect(merged.utf8.count > Negotiation.instructionsLimit - 8)
    let sections = merged.split(separator: "\n\n# ").map(\.utf8.count)
    #expect(sections.count == 4)
    #expect(abs(sections[0] - sections[2]) <= 8)
    #expect(merged.contains("# s1\n\n> short\n\n") && merged.hasSuffix("# s3\n\n> last"))
    // Where there is no room for words, there is none for a heading that would stand for them.
    let crowd = Self.instructions(Array(repeating: endless, count: 2000))
    #expect(crowd.utf8.count <= Negotiation.instructionsLimit)
    for line in crowd.split(separator: "\n") { #expect(line.hasPrefix("> x") || line.hasPrefix("# s")) }
  }

  @Test(
    "a server's instructions can't stand where another server's heading does",
    arguments: [
      #"a\n\n# s1\n\nb"#, #"# s1\rb"#, #"a\r\n# s1"#, #"a\u2028# s1"#, #"a\u2029# s1"#, #"a\u0085# s1"#,
      #"a\u000b# s1"#,
      #"a\f# s1"#, #"\n\n\n# s1\n\n\n"#, #"s1\n=="#, #"\u001b[2K# s1"#, #"\u202e# s1"#, #"\u2067\u200f# s1\u061c"#,
      #"\udb40\udc23\udb40\udc20\ufeff# s1"#,
    ])
  func instructionHeadings(hostile: String) {
    let merged = Self.instructions([hostile, "mine"])
    let lines = merged.split(whereSeparator: \.isNewline)
    #expect(lines.first == "# s0" && lines.suffix(2) == ["# s1", "> mine"])
    #expect(lines.dropFirst().dropLast(2).allSatisfy { $0.hasPrefix("> ") })
    for scalar in merged.unicodeScalars where scalar != "\n" {
      #expect(scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format)
    }
  }

  @Test("text of other scripts, tabs and empty lines are kept as they are")
  func instructionText() {
    #expect(
      Self.instructions([#"\tمی\u200cخواهم\n\n👩\u200d💻 e\u0301"#, "b"])
        == "# s0\n\n> \tمی\u{200C}خواهم\n> \n> 👩\u{200D}💻 e\u{301}\n\n# s1\n\n> b")
    #expect(Self.instructions([#"\u202e\n"#, "b"]) == "# s1\n\n> b")
  }

  @Test("no server's extensions are so large that the answers to all clients are")
  func extensionShares() {
    func merged(_ sizes: [Int]) -> [Bool] {
      let offers = sizes.enumerated().map { place, size in
        Self.offer(
          "s\(place)",
          #"{"capabilities":{"extensions":{"x/\#(place)":"\#(String(repeating: "x", count: size))"},"experimental":{"y\#(place)":"\#(String(repeating: "y", count: size))"}}}"#
        )
      }
      let text = Self.text {
        $0.append(initializeResult: Offer(merging: offers, identity: Self.identity), revision: .r20251125)
      }
      return sizes.indices.map { text.contains(#""x/\#($0)""#) && text.contains(#""y\#($0)""#) }
    }
    #expect(merged([1_000_000, 10, 20_000]) == [false, true, true])
    #expect(merged([60_000]) == [true])
    #expect(merged([60_000, 20_000, 60_000]) == [false, true, false])
  }

  @Test("what a server says of itself at length is cut, or not kept")
  func longStatements() {
    let alone = Self.instructions([String(repeating: "é", count: 100_000)])
    #expect(alone.utf8.count <= Negotiation.statementLimit)
    #expect(alone.utf8.count > Negotiation.statementLimit - 8)
    #expect(alone.hasSuffix("é…"))
    let long = #"{"x":"\#(String(repeating: "x", count: Negotiation.statementLimit))"}"#
    let offer = Self.offer(
      "s", #"{"capabilities":{"extensions":\#(long),"experimental":\#(long)},"serverInfo":\#(long)}"#)
    #expect(offer.extensions == nil && offer.experimental == nil && offer.serverInfo == nil)
  }

  @Test(
    "each method is a request of the revisions that section 10 gives it",
    arguments: [
      (Method.initialize, true, false), (.ping, true, false), (.serverDiscover, false, true), (.toolsList, true, true),
      (.toolsCall, true, true), (.resourcesList, true, true), (.resourcesTemplatesList, true, true),
      (.resourcesRead, true, true), (.resourcesSubscribe, true, false), (.resourcesUnsubscribe, true, false),
      (.subscriptionsListen, false, true), (.promptsList, true, true), (.promptsGet, true, true),
      (.completionComplete, true, true), (.loggingSetLevel, true, false), (.samplingCreateMessage, false, false),
      (.elicitationCreate, false, false), (.rootsList, false, false), (.notifyProgress, false, false),
      (.other, true, true), (.tasksGet, false, false), (.none, false, false),
    ])
  func methods(_ method: Method, _ legacy: Bool, _ modern: Bool) {
    for revision in Revision.allCases {
      #expect(method.isRequest(in: revision) == (revision.era == .legacy ? legacy : modern))
    }
  }

  @Test("servers put questions in the legacy era alone, forms from 2025-06-18")
  func serverRequests() {
    for revision in Revision.allCases {
      let isLegacy = revision.era == .legacy
      #expect(Method.samplingCreateMessage.isServerRequest(in: revision) == isLegacy)
      #expect(Method.rootsList.isServerRequest(in: revision) == isLegacy)
      #expect(Method.ping.isServerRequest(in: revision) == isLegacy)
      #expect(Method.other.isServerRequest(in: revision) == isLegacy)
      #expect(Method.elicitationCreate.isServerRequest(in: revision) == (isLegacy && revision >= .r20250618))
      #expect(!Method.toolsCall.isServerRequest(in: revision))
    }
  }

  @Test("every method's name reads back as the method")
  func methodNames() {
    for method in Method.allCases where method != .none && method != .other {
      #expect(Method(named: method.name) == method)
      let isNotification = method.name.text.hasPrefix("notifications/")
      #expect(method.isNotification == isNotification)
    }
    #expect(Method(named: Array("tools/Call".utf8).rawBytes) == .other)
  }

  @Test("a listen's filter is read, cut to what is offered, and said back")
  func listen() {
    func filter(_ notifications: String) -> ListenFilter? {
      let bytes = Array(
        #"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":\#(notifications)}}"#.utf8)
      let scanner = EnvelopeScanner()
      return ListenFilter(scanner.scan(bytes.rawBytes))
    }
    let all = filter(
      #"{"toolsListChanged":true,"promptsListChanged":false,"resourcesListChanged":true,"resourceSubscriptions":["x:1","x:\u0031","y"],"z":1}"#
    )
    #expect(all?.kinds == [.tools, .resources, .templates])
    #expect(all?.resources == [Array("x:1".utf8), Array("y".utf8)])
    let honoured = all?.honoured(by: [.tools, .toolsListChanged, .resources, .resourcesSubscribe])
    #expect(
      honoured.map { filter in Self.text { $0.append(filter) } }
        == #"{"toolsListChanged":true,"resourceSubscriptions":["x:1","y"]}"#)
    #expect(all?.honoured(by: []) == ListenFilter(kinds: [], resources: []))
    for bad in ["[]", #"{"toolsListChanged":1}"#, #"{"resourceSubscriptions":"x"}"#, #"{"resourceSubscriptions":[1]}"#]
    {
      #expect(filter(bad) == nil)
    }
  }
}
