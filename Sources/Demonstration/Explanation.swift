import MCP
import Wire

/// The prompt: have a notion of the protocol explained.
enum Explanation {
  static let name: StaticString = "explain"

  static let list: StaticString = #"""
    "prompts":[{"name":"explain","title":"Explain a notion of MCP",\#
    "description":"Asks the model to explain one notion of the Model Context Protocol to a reader of your choice.",\#
    "arguments":[{"name":"topic","title":"Topic","description":"The notion to explain.","required":true},\#
    {"name":"audience","title":"Audience","description":"Who shall understand it; a newcomer if not given.",\#
    "required":false}]}]
    """#

  static func get(_ call: Call, _ envelope: Envelope) -> [UInt8] {
    guard JSON.isString(envelope.value(Param.name), name) else {
      let name = JSON.text(envelope.value(Param.name)) ?? ""
      return call.error(-32602, "Unknown prompt: \(name)")
    }
    let arguments = Arguments(envelope.value(Param.arguments))
    do throws(Arguments.Fault) {
      guard let topic = try arguments.string("topic") else {
        throw Arguments.Fault(text: "Argument \"topic\" is missing.")
      }
      let audience = try arguments.string("audience") ?? "newcomer"
      return call.result { message in
        message.append("\"description\":")
        message.append(quoted: "An explanation of \(topic)")
        message.append(",\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":")
        message.append(
          quoted: "Explain what \"\(topic)\" means in the Model Context Protocol to this reader: \(audience). "
            + "Give one example, and keep it under 200 words.")
        message.append("}}]")
      }
    } catch {
      return call.error(-32602, "Invalid params: \(error.text)")
    }
  }
}
