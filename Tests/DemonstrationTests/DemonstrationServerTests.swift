import Demonstration
import MCP
import Testing
import Wire

@Suite struct DemonstrationServerTests {
  // MARK: Lists

  @Test(
    "every list is answered, and its entries are complete",
    arguments: [
      ("tools/list", "tools", "name"), ("resources/list", "resources", "uri"),
      ("resources/templates/list", "resourceTemplates", "uriTemplate"), ("prompts/list", "prompts", "name"),
    ])
  func lists(method: String, member: String, key: String) throws {
    var conversation = Conversation(.newest)
    let answer = try conversation.ask(method)
    #expect(answer["result", "ttlMs"] == "3600000")
    #expect(answer["result", "cacheScope"] == #""public""#)
    var names: Set<String> = []
    while let entry = answer["result", member, String(names.count)] {
      let text = Array(entry.utf8)
      for wanted in [key, "name", "title", "description"] {
        let value = Answer.plain(try Answer(.send(text))[wanted])
        #expect(value?.isEmpty == false, "\(wanted) of \(entry)")
      }
      try #require(names.insert(try #require(Answer.plain(try Answer(.send(text))[key]))).inserted)
    }
    #expect(!names.isEmpty)
    #expect(answer["result", "nextCursor"] == nil)
  }

  @Test("every listed tool has schemas, says that it changes nothing, and can be called")
  func tools() throws {
    var conversation = Conversation(.newest)
    let list = try conversation.ask("tools/list")
    var count = 0
    while let name = Answer.plain(list["result", "tools", String(count), "name"]) {
      let place = String(count)
      #expect(list["result", "tools", place, "inputSchema", "type"] == #""object""#)
      #expect(list["result", "tools", place, "annotations", "readOnlyHint"] == "true")
      let steps = conversation.send("tools/call", #""name":"\#(name)""#)
      #expect(steps.count == 1)
      if case .send = steps[0] { #expect(try Answer(steps[0]).code != -32602, "\(name) is unknown") }
      count += 1
    }
    #expect(count == 8)
  }

  @Test("a method that is not there is not found", arguments: ["resources/subscribe", "no/such", "ping"])
  func unknownMethod(method: String) throws {
    var conversation = Conversation(.newest)
    #expect(try conversation.ask(method).code == -32601)
  }

  @Test(
    "what is no request is not answered",
    arguments: [
      #"{"jsonrpc":"2.0","method":"tools/list"}"#, #"{"jsonrpc":"2.0","id":1,"result":{}}"#, "[]", "{",
    ])
  func noRequest(message: String) {
    var conversation = Conversation(.newest)
    let client = DemonstrationServer.Client(revision: .newest, abilities: [])
    let steps = conversation.server.receive(Array(message.utf8).rawBytes, from: client, now: Conversation.start)
    #expect(steps.isEmpty)
  }

  // MARK: Resources

  @Test("the welcome never changes, and modern clients may keep it", arguments: [Revision.newestLegacy, .newest])
  func welcome(revision: Revision) throws {
    var conversation = Conversation(revision)
    let first = try conversation.ask("resources/read", #""uri":"demo://welcome""#)
    #expect(first["result", "contents", "0", "uri"] == #""demo://welcome""#)
    #expect(first["result", "contents", "0", "mimeType"] == #""text/markdown""#)
    #expect(Answer.plain(first["result", "contents", "0", "text"])?.hasPrefix("# Welcome") == true)
    #expect(first["result", "ttlMs"] == (revision.era == .modern ? "3600000" : nil))
    conversation.now = Timestamp(milliseconds: Conversation.start.milliseconds + 5000)
    #expect(try conversation.ask("resources/read", #""uri":"demo://welcome""#).bytes == first.bytes)
  }

  @Test("the clock tells the time and how long the server has been up")
  func clock() throws {
    var conversation = Conversation(.newest)
    conversation.now = Timestamp(milliseconds: Conversation.start.milliseconds + 61_500)
    let answer = try conversation.ask("resources/read", #""uri":"demo://clock""#)
    #expect(
      Answer.plain(answer["result", "contents", "0", "text"]) == #"{"now":"2026-11-22T20:01:01Z","up_seconds":61}"#)
    #expect(answer["result", "ttlMs"] == "0")
    conversation.now = Timestamp(milliseconds: 0)
    let before = try conversation.ask("resources/read", #""uri":"demo://clock""#)
    #expect(Answer.plain(before["result", "contents", "0", "text"])?.contains(#""up_seconds":0"#) == true)
  }

  @Test(
    "the template's URIs greet the name in them",
    arguments: [
      ("demo://greetings/Ada", "Hello, Ada!"), ("demo://greetings/Bj%C3%B6rn%20J", "Hello, Björn J!"),
    ])
  func greeting(uri: String, text: String) throws {
    var conversation = Conversation(.newest)
    let answer = try conversation.ask("resources/read", #""uri":"\#(uri)""#)
    #expect(Answer.plain(answer["result", "contents", "0", "text"]) == text)
    #expect(Answer.plain(answer["result", "contents", "0", "uri"]) == uri)
  }

  @Test(
    "other URIs are not found, by the code of the era",
    arguments: [
      "demo://nope", "demo://greetings/", "demo://greetings/a/b", "demo://greetings/%4", "demo://greetings/%+1",
      "demo://greetings/%FF",
    ])
  func notFound(uri: String) throws {
    for (revision, code) in [(Revision.newestLegacy, -32002), (.newest, -32602)] {
      var conversation = Conversation(revision)
      let answer = try conversation.ask("resources/read", #""uri":"\#(uri)""#)
      #expect(answer.code == code)
      #expect(Answer.plain(answer["error", "data", "uri"]) == uri)
    }
  }

  // MARK: Prompts and completion

  @Test("the prompt carries its arguments")
  func prompt() throws {
    var conversation = Conversation(.newest)
    let answer = try conversation.ask(
      "prompts/get", #""name":"explain","arguments":{"topic":"roots \"x\"","audience":"writer"}"#)
    #expect(answer["result", "messages", "0", "role"] == #""user""#)
    let text = try #require(Answer.plain(answer["result", "messages", "0", "content", "text"]))
    #expect(text.contains(#"roots "x""#) && text.contains("writer"))
  }

  @Test(
    "a prompt that is unknown or lacks its topic is invalid params",
    arguments: [
      #""name":"nope""#, #""name":"explain""#, #""name":"explain","arguments":{"topic":1}"#, "",
    ])
  func wrongPrompt(members: String) throws {
    var conversation = Conversation(.newest)
    #expect(try conversation.ask("prompts/get", members).code == -32602)
  }

  @Test(
    "completion offers what begins like the value",
    arguments: [
      (#"{"type":"ref/prompt","name":"explain"}"#, "topic", "pro", #"["progress","prompts"]"#),
      (#"{"type":"ref/prompt","name":"explain"}"#, "topic", "PRO", #"["progress","prompts"]"#),
      (#"{"type":"ref/prompt","name":"explain"}"#, "audience", "n", #"["newcomer"]"#),
      (#"{"type":"ref/prompt","name":"explain"}"#, "topic", "zzz", "[]"),
      (#"{"type":"ref/prompt","name":"explain"}"#, "other", "", "[]"),
      (#"{"type":"ref/resource","uri":"demo://greetings/{name}"}"#, "name", "a", #"["Ada","Alan"]"#),
    ])
  func completion(ref: String, argument: String, value: String, values: String) throws {
    var conversation = Conversation(.newest)
    let answer = try conversation.ask(
      "completion/complete", #""ref":\#(ref),"argument":{"name":"\#(argument)","value":"\#(value)"}"#)
    #expect(answer["result", "completion", "values"] == values)
    #expect(answer["result", "completion", "hasMore"] == "false")
  }

  @Test(
    "completion of what does not exist is invalid params",
    arguments: [
      #""ref":{"type":"ref/prompt","name":"nope"},"argument":{"name":"topic","value":""}"#,
      #""ref":{"type":"ref/resource","uri":"demo://clock"},"argument":{"name":"name","value":""}"#,
      #""ref":{"type":"ref/prompt","name":"explain"}"#, "",
    ])
  func wrongCompletion(members: String) throws {
    var conversation = Conversation(.newest)
    #expect(try conversation.ask("completion/complete", members).code == -32602)
  }
}
