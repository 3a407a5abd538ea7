import Demonstration
import MCP
import Testing
import Wire

@Suite struct ToolTests {
  @Test("echo answers under the call's id with the text as it came", arguments: Revision.allCases)
  func echo(revision: Revision) throws {
    var conversation = Conversation(revision)
    let answer = try conversation.callTool("echo", #"{"text":"h\u00e9 \"ä\"\n\ud83c\udf75"}"#)
    #expect(answer.text == "hé \"ä\"\n\u{1F375}")
    #expect(answer.id == Conversation.id)
    #expect(!answer.isError)
    #expect(answer["result", "resultType"] == (revision.era == .modern ? #""complete""# : nil))
  }

  @Test(
    "add adds exactly while it can, and in floating point beyond that",
    arguments: [
      ("2", "3", "5"), ("2", "3.5", "5.5"), ("-1", "1", "0"), ("1.5", "2.5", "4"),
      ("9007199254740993", "1", "9007199254740994"), ("9223372036854775807", "1", "9.223372036854776e+18"),
      ("1e300", "1e300", "2e+300"), ("18446744073709551616", "0", "1.8446744073709552e+19"),
    ])
  func add(a: String, b: String, sum: String) throws {
    var conversation = Conversation(.newest)
    let answer = try conversation.callTool("add", #"{"a":\#(a),"b":\#(b)}"#)
    #expect(answer.text == sum)
    #expect(answer["result", "structuredContent", "sum"] == sum)
  }

  @Test("structured content comes only in revisions that know it", arguments: Revision.allCases)
  func structured(revision: Revision) throws {
    var conversation = Conversation(revision)
    let answer = try conversation.callTool("add", #"{"a":2,"b":3}"#)
    #expect(answer.text == "5")
    #expect(answer["result", "structuredContent", "sum"] == (revision >= .r20250618 ? "5" : nil))
  }

  @Test(
    "wrong arguments come back as a failure that names them",
    arguments: [
      ("echo", "{}", "text"), ("echo", #"{"text":1}"#, "text"), ("add", #"{"a":1}"#, "b"),
      ("add", #"{"a":"1","b":2}"#, "a"), ("add", #"{"a":1e999,"b":2}"#, "a"), ("add", #"{"a":null,"b":2}"#, "a"),
      ("time", #"{"utc_offset_minutes":841}"#, "utc_offset_minutes"), ("large", #"{"size":-1}"#, "size"),
      ("large", #"{"size":33554433}"#, "size"), ("large", #"{"size":"1"}"#, "size"), ("slow", #"{"steps":0}"#, "steps"),
      ("slow", #"{"steps":1,"interval_ms":5001}"#, "interval_ms"), ("ask", #"{"question":[]}"#, "question"),
      ("refuse", #"{"code":1.5}"#, "code"),
    ])
  func wrongArguments(tool: String, arguments: String, named: String) throws {
    var conversation = Conversation(.newestLegacy)
    let answer = try conversation.callTool(tool, arguments)
    #expect(answer.isError)
    #expect(answer.text?.contains("\"\(named)\"") == true)
    #expect(conversation.server.unfinishedCount == 0)
  }

  @Test("a sum beyond all numbers is a failure")
  func overflow() throws {
    var conversation = Conversation(.newest)
    let answer = try conversation.callTool("add", #"{"a":1.7e308,"b":1.7e308}"#)
    #expect(answer.isError)
  }

  @Test(
    "time tells the host's time in any zone",
    arguments: [
      (0, 0, "1970-01-01T00:00:00Z"), (1_795_377_599_999, 0, "2026-11-22T19:59:59Z"),
      (951_782_400_000, 0, "2000-02-29T00:00:00Z"), (4_107_542_400_000, 0, "2100-03-01T00:00:00Z"),
      (1_795_377_600_000, -90, "2026-11-22T18:30:00-01:30"), (1_795_391_999_000, 330, "2026-11-23T05:29:59+05:30"),
      (0, -60, "1969-12-31T23:00:00-01:00"),
    ])
  func time(milliseconds: UInt64, offset: Int, text: String) throws {
    var conversation = Conversation(.newest)
    conversation.now = Timestamp(milliseconds: milliseconds)
    let answer = try conversation.callTool("time", #"{"utc_offset_minutes":\#(offset)}"#)
    #expect(answer.text == text)
    #expect(Answer.plain(answer["result", "structuredContent", "time"]) == text)
    #expect(answer["result", "structuredContent", "unix_seconds"] == "\(milliseconds / 1000)")
  }

  @Test("large returns exactly as many bytes as are asked for", arguments: [0, 1, 16, 31, 100_000])
  func large(size: Int) throws {
    var conversation = Conversation(.newest)
    let answer = try conversation.callTool("large", #"{"size":\#(size)}"#)
    let text = try #require(answer.text)
    #expect(text.utf8.count == size)
    #expect(text.hasPrefix("0123456789abcdef".prefix(size)))
  }

  @Test("fail gives a result that is an error, refuse an error that is no result")
  func errors() throws {
    var conversation = Conversation(.newest)
    let failed = try conversation.callTool("fail", #"{"message":"no milk"}"#)
    #expect(failed.isError)
    #expect(failed.text == "no milk")
    #expect(failed["error"] == nil)
    let refused = try conversation.callTool("refuse", #"{"code":4711,"message":"no such customer"}"#)
    #expect(refused.code == 4711)
    #expect(refused.message == "no such customer")
    #expect(refused["result"] == nil)
  }

  @Test("an unknown tool is invalid params, whatever its name", arguments: [#""name":"nope""#, #""name":7"#, ""])
  func unknown(members: String) throws {
    var conversation = Conversation(.newest)
    #expect(try conversation.ask("tools/call", members).code == -32602)
  }

  // MARK: Progress

  @Test("slow reports every step in order and then answers", arguments: [Revision.r20241105, .newestLegacy, .newest])
  func progress(revision: Revision) throws {
    var conversation = Conversation(revision)
    let began = conversation.send(
      "tools/call", #""name":"slow","arguments":{"steps":3,"interval_ms":20}"#, meta: #""progressToken":41"#)
    #expect(began == [.resume(afterMilliseconds: 20)])
    for done in 1...3 {
      let steps = conversation.server.resumed(Conversation.id)
      try #require(steps.count == 2)
      let report = try Answer(steps[0])
      #expect(report["method"] == #""notifications/progress""#)
      #expect(report["params", "progressToken"] == "41")
      #expect(report["params", "progress"] == "\(done)")
      #expect(report["params", "total"] == "3")
      #expect((report["params", "message"] != nil) == (revision != .r20241105))
      if done < 3 {
        #expect(steps[1] == .resume(afterMilliseconds: 20))
      } else {
        #expect(try Answer(steps[1]).text == "3 steps")
      }
    }
    #expect(conversation.server.unfinishedCount == 0)
    #expect(conversation.server.resumed(Conversation.id).isEmpty)
  }

  @Test("without a progress token slow answers and says nothing before")
  func silent() throws {
    var conversation = Conversation(.newest)
    _ = conversation.send("tools/call", #""name":"slow","arguments":{"steps":2}"#)
    #expect(conversation.server.resumed(Conversation.id) == [.resume(afterMilliseconds: 300)])
    #expect(try Answer(only: conversation.server.resumed(Conversation.id)).text == "2 steps")
  }

  @Test("a cancelled call says nothing more, and another goes on")
  func cancelled() throws {
    var conversation = Conversation(.newest)
    _ = conversation.send("tools/call", #""name":"slow","arguments":{"steps":2}"#, id: 1)
    _ = conversation.send("tools/call", #""name":"slow","arguments":{"steps":1}"#, id: 2)
    conversation.server.cancelled(1)
    #expect(conversation.server.resumed(1).isEmpty)
    #expect(try Answer(only: conversation.server.resumed(2)).id == 2)
    #expect(conversation.server.unfinishedCount == 0)
  }
}
