import Demonstration
import MCP
import Testing
import Wire

@Suite struct QuestionTests {
  static let accepted = #"{"action":"accept","content":{"name":"Ada","drink":"tea"}}"#

  // MARK: Legacy: a request on the stream of the call

  @Test("a legacy client is asked in the course of the call", arguments: [Revision.r20250618, .r20251125])
  func legacy(revision: Revision) throws {
    var conversation = Conversation(revision)
    let request = try conversation.callTool("ask", #"{"question":"Who?"}"#)
    #expect(request["method"] == #""elicitation/create""#)
    #expect(Answer.plain(request["params", "message"]) == "Who?")
    #expect(request["params", "requestedSchema", "type"] == #""object""#)
    #expect(request["params", "mode"] == (revision == .r20251125 ? #""form""# : nil))
    let id = try #require(request["id"])
    let reply = #"{"jsonrpc":"2.0","id":\#(id),"result":\#(Self.accepted)}"#
    let said = try conversation.reply(reply)
    #expect(said?.text == "Hello, Ada! Here is your tea.")
    #expect(said?.id == Conversation.id)
    #expect(conversation.server.unfinishedCount == 0)
    #expect(try conversation.reply(reply) == nil, "an answer counts once")
  }

  @Test("a client that can't ask its user makes the call fail with its reason")
  func legacyError() throws {
    var conversation = Conversation(.newestLegacy)
    _ = conversation.send("tools/call", #""name":"ask""#)
    let answer = try conversation.reply(
      #"{"jsonrpc":"2.0","id":41,"error":{"code":-32601,"message":"nobody there"}}"#)
    #expect(answer?.isError == true)
    #expect(answer?.text?.contains("nobody there") == true)
  }

  @Test(
    "answers to nothing that was asked are dropped",
    arguments: [
      #"{"jsonrpc":"2.0","id":40,"result":{}}"#, #"{"jsonrpc":"2.0","id":"41","result":{}}"#,
      #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":41}}"#, "{",
    ])
  func stray(message: String) throws {
    var conversation = Conversation(.newestLegacy)
    _ = conversation.send("tools/call", #""name":"ask""#)
    #expect(try conversation.reply(message) == nil)
    #expect(conversation.server.unfinishedCount == 1)
  }

  @Test("a cancelled question takes no answer")
  func cancelled() throws {
    var conversation = Conversation(.newestLegacy)
    _ = conversation.send("tools/call", #""name":"ask""#)
    conversation.server.cancelled(Conversation.id)
    #expect(try conversation.reply(#"{"jsonrpc":"2.0","id":41,"result":\#(Self.accepted)}"#) == nil)
  }

  @Test(
    "who did not declare elicitation is not asked",
    arguments: [
      (Revision.r20241105, ClientCapabilities.elicitationForm), (.r20250326, .elicitationForm),
      (.r20251125, ClientCapabilities()),
      (.r20251125, .elicitationURL), (.r20260728, ClientCapabilities()),
    ])
  func undeclared(revision: Revision, abilities: ClientCapabilities) throws {
    var conversation = Conversation(revision)
    conversation.abilities = abilities
    let answer = try conversation.callTool("ask")
    if revision.era == .legacy {
      #expect(answer.isError)
      #expect(answer.text?.contains("elicitation") == true)
    } else {
      #expect(answer.code == -32021)
      #expect(answer["error", "data", "requiredCapabilities", "elicitation"] == #"{"form":{}}"#)
    }
    #expect(conversation.server.unfinishedCount == 0)
  }

  // MARK: Modern: rounds

  /// Opens a round and gives its state.
  static func state(_ conversation: inout Conversation, _ arguments: String = "{}") throws -> String {
    let answer = try conversation.callTool("ask", arguments)
    #expect(answer["result", "resultType"] == #""input_required""#)
    #expect(answer["result", "inputRequests", "who", "method"] == #""elicitation/create""#)
    #expect(answer["result", "inputRequests", "who", "params", "mode"] == #""form""#)
    return try #require(Answer.plain(answer["result", "requestState"]))
  }

  static func retry(_ state: String, _ response: String = accepted) -> String {
    #","inputResponses":{"who":\#(response)},"requestState":"\#(state)""#
  }

  @Test("a modern client comes back with the answer, to this server or to one with its key")
  func modern() throws {
    var conversation = Conversation(.newest)
    let state = try Self.state(&conversation)
    #expect(conversation.server.unfinishedCount == 0, "nothing is kept between the rounds")
    #expect(try conversation.callTool("ask", more: Self.retry(state)).text == "Hello, Ada! Here is your tea.")
    var other = Conversation(.newest)
    #expect(try other.callTool("ask", more: Self.retry(state)).text == "Hello, Ada! Here is your tea.")
  }

  @Test(
    "what the user answers decides what the tool says",
    arguments: [
      (#"{"action":"accept","content":{"name":"A\"b"}}"#, "Hello, A\"b!", false),
      (#"{"action":"decline"}"#, "You prefer not to say. That is fine.", false),
      (#"{"action":"cancel"}"#, "You closed the question without an answer.", false),
      (#"{"action":"accept","content":{}}"#, "The client's answer has no name, which the form requires.", true),
      ("{}", "The client's answer has no action.", true),
      (#"{"action":"shrug"}"#, "The client's answer is neither accept with content, nor decline, nor cancel.", true),
    ])
  func answers(response: String, text: String, isError: Bool) throws {
    var conversation = Conversation(.newest)
    let state = try Self.state(&conversation)
    let answer = try conversation.callTool("ask", more: Self.retry(state, response))
    #expect(answer.text == text)
    #expect(answer.isError == isError)
  }

  @Test("a state that was altered anywhere is refused")
  func tampered() throws {
    var conversation = Conversation(.newest)
    let state = try Self.state(&conversation)
    for place in state.indices {
      let other = state[place] == "A" ? "B" : "A"
      let altered = state.replacingSubrange(place...place, with: other)
      #expect(try conversation.callTool("ask", more: Self.retry(altered)).code == -32602)
    }
    for broken in ["", String(state.dropLast()), state + "A", state + state] {
      #expect(try conversation.callTool("ask", more: Self.retry(broken)).code == -32602)
    }
    #expect(try conversation.callTool("ask", more: #","requestState":7"#).code == -32602)
  }

  @Test("a state is good for its own question, key and time alone")
  func bound() throws {
    var conversation = Conversation(.newest)
    let state = try Self.state(&conversation, #"{"question":"Who?"}"#)
    #expect(try conversation.callTool("ask", #"{"question":"What?"}"#, more: Self.retry(state)).code == -32602)
    #expect(try conversation.callTool("ask", #"{"question":"Wh\u006f?"}"#, more: Self.retry(state)).code == nil)
    var stranger = Conversation(.newest)
    stranger.server = DemonstrationServer(key: SipHash(key: InlineArray(repeating: 8)), startedAt: Conversation.start)
    #expect(try stranger.callTool("ask", #"{"question":"Who?"}"#, more: Self.retry(state)).code == -32602)
    conversation.now = Timestamp(milliseconds: Conversation.start.milliseconds + 600_000)
    #expect(try conversation.callTool("ask", #"{"question":"Who?"}"#, more: Self.retry(state)).code == -32602)
  }

  @Test("who comes back without the answer is asked again")
  func missingAnswer() throws {
    var conversation = Conversation(.newest)
    let state = try Self.state(&conversation)
    let other = #","inputResponses":{"whom":{}},"requestState":"\#(state)""#
    #expect(try conversation.callTool("ask", more: other)["result", "resultType"] == #""input_required""#)
    let stateless = #","inputResponses":{"who":\#(Self.accepted)}"#
    #expect(try conversation.callTool("ask", more: stateless)["result", "resultType"] == #""input_required""#)
  }
}

extension String {
  fileprivate func replacingSubrange(_ range: ClosedRange<Index>, with text: String) -> String {
    var copy = self
    copy.replaceSubrange(range, with: text)
    return copy
  }
}
