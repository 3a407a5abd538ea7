import MCP
import Wire

/// The tools, in the order of their list.
enum Tool: String, Listed {
  case echo, add, time, slow, ask, large, fail, refuse

  init?(token: RawSpan) {
    guard let name = JSON.string(token) else { return nil }
    self.init(rawValue: name)
  }

  /// What `large` makes at most, so that results stay well below the gateway's own limit.
  static let largest: Int64 = 32 << 20

  /// Runs a tool whose result is known at once.
  func run(_ call: Call, _ arguments: borrowing Arguments) -> [UInt8] {
    do throws(Arguments.Fault) {
      switch self {
      case .echo:
        guard let text = try arguments.string("text") else {
          throw Arguments.Fault(text: "Argument \"text\" is missing.")
        }
        return call.text(text)
      case .add:
        guard let sum = try arguments.number("a") + arguments.number("b") else {
          throw Arguments.Fault(text: "The sum is too large to be written.")
        }
        return call.text(sum.description, structured: "{\"sum\":\(sum)}")
      case .time:
        let offset = try arguments.integer("utc_offset_minutes", in: -720...840) ?? 0
        let time = call.now.text(offsetMinutes: Int(offset))
        return call.text(time, structured: "{\"time\":\"\(time)\",\"unix_seconds\":\(call.now.seconds)}")
      case .large:
        return Self.large(call, Int(try arguments.integer("size", in: 0...Self.largest) ?? 100_000))
      case .fail:
        return call.failure(try arguments.string("message") ?? "This tool fails, as it was asked to.")
      case .refuse:
        let message = try arguments.string("message") ?? "This call was refused, as it was asked to be."
        let code = try arguments.integer("code", in: Int64(Int32.min)...Int64(Int32.max)) ?? 1001
        return call.error(Int(code), message, data: "{\"tool\":\"refuse\"}")
      case .slow, .ask:
        preconditionFailure("not known at once")
      }
    } catch {
      return call.failure(error.text)
    }
  }

  private static func large(_ call: Call, _ size: Int) -> [UInt8] {
    call.result { message in
      message.reserve(size + 64)
      message.append("\"content\":[{\"type\":\"text\",\"text\":\"")
      let line: StaticString = "0123456789abcdef"
      for _ in 0..<(size / 16) { message.append(line) }
      message.append(line.bytes.extracting(first: size % 16))
      message.append("\"}]")
    }
  }

  var entry: StaticString {
    switch self {
    case .echo:
      #"""
      {"name":"echo","title":"Echo","description":"Returns the text it is given, unchanged.",\#
      "inputSchema":{"type":"object","properties":{\#
      "text":{"type":"string","description":"The text to return."}},"required":["text"]},\#
      "annotations":{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}}
      """#
    case .add:
      #"""
      {"name":"add","title":"Add","description":"Adds two numbers. The sum comes as text and as structured content.",\#
      "inputSchema":{"type":"object","properties":{\#
      "a":{"type":"number","description":"The first number."},\#
      "b":{"type":"number","description":"The second number."}},"required":["a","b"]},\#
      "outputSchema":{"type":"object","properties":{\#
      "sum":{"type":"number","description":"a plus b."}},"required":["sum"]},\#
      "annotations":{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}}
      """#
    case .time:
      #"""
      {"name":"time","title":"Current time","description":"Tells the time of the machine that the gateway runs on.",\#
      "inputSchema":{"type":"object","properties":{\#
      "utc_offset_minutes":{"type":"integer","minimum":-720,"maximum":840,"default":0,\#
      "description":"Minutes east of UTC in which to express the time."}}},\#
      "outputSchema":{"type":"object","properties":{\#
      "time":{"type":"string","format":"date-time","description":"The time as of RFC 3339."},\#
      "unix_seconds":{"type":"integer","description":"Seconds since 1970-01-01 in UTC."}},\#
      "required":["time","unix_seconds"]},\#
      "annotations":{"readOnlyHint":true,"openWorldHint":false}}
      """#
    case .slow:
      #"""
      {"name":"slow","title":"Slow work",\#
      "description":"Takes its time and reports progress after every step. Can be cancelled.",\#
      "inputSchema":{"type":"object","properties":{\#
      "steps":{"type":"integer","minimum":1,"maximum":100,"default":5,"description":"How many steps to take."},\#
      "interval_ms":{"type":"integer","minimum":10,"maximum":5000,"default":300,\#
      "description":"Milliseconds that a step takes."}}},\#
      "annotations":{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}}
      """#
    case .ask:
      #"""
      {"name":"ask","title":"Ask the user",\#
      "description":"Asks the user of the client for a name and a favourite drink (elicitation), and greets them.",\#
      "inputSchema":{"type":"object","properties":{\#
      "question":{"type":"string","default":"Who are you, and what do you like to drink?",\#
      "description":"What to ask."}}},\#
      "annotations":{"readOnlyHint":true,"openWorldHint":false}}
      """#
    case .large:
      #"""
      {"name":"large","title":"Large result","description":"Returns a text of exactly the size that is asked for.",\#
      "inputSchema":{"type":"object","properties":{\#
      "size":{"type":"integer","minimum":0,"maximum":33554432,"default":100000,\#
      "description":"Bytes of text to return."}}},\#
      "annotations":{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}}
      """#
    case .fail:
      #"""
      {"name":"fail","title":"Failing tool",\#
      "description":"Runs and fails: a result marked as an error, which the model gets to read.",\#
      "inputSchema":{"type":"object","properties":{\#
      "message":{"type":"string","description":"What the result shall say."}}},\#
      "annotations":{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}}
      """#
    case .refuse:
      #"""
      {"name":"refuse","title":"Refused call",\#
      "description":"Does not run at all: the call is answered with a JSON-RPC error instead of a result.",\#
      "inputSchema":{"type":"object","properties":{\#
      "code":{"type":"integer","default":1001,"description":"The code of the error."},\#
      "message":{"type":"string","description":"The message of the error."}}},\#
      "annotations":{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}}
      """#
    }
  }
}
