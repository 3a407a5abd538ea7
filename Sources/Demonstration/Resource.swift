import MCP
import Wire

/// The listed resources: one that never changes, one that always does.
enum Resource: String, Listed {
  case welcome = "demo://welcome"
  case clock = "demo://clock"

  var entry: StaticString {
    switch self {
    case .welcome:
      #"""
      {"uri":"demo://welcome","name":"welcome","title":"Welcome",\#
      "description":"What this server is, and how to put your own in its place.",\#
      "mimeType":"text/markdown","annotations":{"audience":["user","assistant"],"priority":1}}
      """#
    case .clock:
      #"""
      {"uri":"demo://clock","name":"clock","title":"Clock",\#
      "description":"The time now and how long this server has been up. Different at every read.",\#
      "mimeType":"application/json"}
      """#
    }
  }

  func read(_ call: Call, startedAt: Timestamp) -> [UInt8] {
    switch self {
    case .welcome:
      call.contents(.lasting, uri: rawValue, type: "text/markdown", text: Self.welcomeText)
    case .clock:
      call.contents(
        .fleeting, uri: rawValue, type: "application/json",
        text: #"{"now":"\#(call.now.text())","up_seconds":\#(call.now.seconds(since: startedAt))}"#)
    }
  }

  private static let welcomeText = """
    # Welcome to Sluice

    You are talking to its built-in demonstration server, through the gateway. Try the tools:

    - `echo`, `add` and `time` answer at once;
    - `slow` reports progress on its way;
    - `ask` asks you something through your client;
    - `large` returns as much text as you like;
    - `fail` and `refuse` show the two ways in which a call can go wrong.

    To serve your own servers instead, give the gateway the file that your MCP client has:

        sluice serve --mcp-config mcp.json

    """
}

/// The resource template: a greeting for every name.
enum Greeting {
  static let template: StaticString = "demo://greetings/{name}"
  private static let prefix = "demo://greetings/"

  static let list: StaticString = #"""
    "resourceTemplates":[{"uriTemplate":"demo://greetings/{name}","name":"greeting","title":"Greeting",\#
    "description":"A greeting for the name in the URI.","mimeType":"text/plain"}]
    """#

  /// The name that a URI of the template carries, percent-decoded; nil for any other URI.
  static func name(in uri: String) -> String? {
    guard uri.hasPrefix(prefix) else { return nil }
    let rest = uri.utf8.dropFirst(prefix.utf8.count)
    guard !rest.isEmpty, !rest.contains(0x2F) else { return nil }
    var decoded: [UInt8] = []
    var place = rest.startIndex
    while place < rest.endIndex {
      if rest[place] == 0x25 {
        let digits = rest[place...].dropFirst().prefix(2)
        let values = digits.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard values.count == 2 else { return nil }
        decoded.append(UInt8(values[0] << 4 | values[1]))
        place = digits.endIndex
      } else {
        decoded.append(rest[place])
        place = rest.index(after: place)
      }
    }
    return String(validating: decoded, as: UTF8.self)
  }

  static func read(_ call: Call, uri: String, name: String) -> [UInt8] {
    call.contents(.lasting, uri: uri, type: "text/plain", text: "Hello, \(name)!")
  }
}

extension Call {
  /// The result of a `resources/read` of one text.
  fileprivate func contents(_ caching: Caching, uri: String, type: StaticString, text: String) -> [UInt8] {
    result(caching) { message in
      message.append("\"contents\":[{\"uri\":")
      message.append(quoted: uri)
      message.append(",\"mimeType\":\"")
      message.append(type)
      message.append("\",\"text\":")
      message.append(quoted: text)
      message.append("}]")
    }
  }
}
