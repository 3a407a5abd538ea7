import MCP
import Wire

/// Completions for the prompt's arguments and the template's variable: the known values that begin like what was typed.
enum Completion {
  private static let topics = [
    "cancellation", "completion", "elicitation", "pagination", "progress", "prompts", "resources", "sampling",
    "sessions", "structured content", "subscriptions", "tools", "transports",
  ]
  private static let audiences = ["developer", "manager", "newcomer", "writer"]
  private static let names = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Margaret"]

  static func answer(_ call: Call, _ envelope: Envelope) -> [UInt8] {
    guard let ref = envelope.value(Param.ref), let argument = envelope.value(Param.argument),
      let typed = JSON.text(JSON.find("value", in: argument))
    else { return call.error(-32602, "Invalid params: ref and argument are needed") }
    guard let known = values(of: ref, argument: JSON.find("name", in: argument)) else {
      return call.error(-32602, "Invalid params: ref names nothing that could be completed")
    }
    let matching = known.filter { $0.lowercased().hasPrefix(typed.lowercased()) }
    return call.result { message in
      message.append("\"completion\":{\"values\":[")
      for (position, value) in matching.enumerated() {
        if position > 0 { message.append(",") }
        message.append(quoted: value)
      }
      message.append("],\"total\":")
      message.append(decimal: matching.count)
      message.append(",\"hasMore\":false}")
    }
  }

  /// nil if the reference is to nothing of ours; an argument that we do not know has no completions.
  private static func values(of ref: RawSpan, argument: RawSpan?) -> [String]? {
    let type = JSON.find("type", in: ref)
    if JSON.isString(type, "ref/prompt") {
      guard JSON.isString(JSON.find("name", in: ref), Explanation.name) else { return nil }
      if JSON.isString(argument, "topic") { return topics }
      return JSON.isString(argument, "audience") ? audiences : []
    }
    guard JSON.isString(type, "ref/resource"), JSON.isString(JSON.find("uri", in: ref), Greeting.template) else {
      return nil
    }
    return JSON.isString(argument, "name") ? names : []
  }
}
