import FoundationEssentials
import Wire

/// The headers in which a request of 2026-07-28 repeats parts of its body.
enum ConnectHeaders {
  /// Plain where a header can hold it, else wrapped as `=?base64?…?=`.
  static func encoded(_ text: String) -> String {
    let bytes = Array(text.utf8)
    let isPlain = bytes.allSatisfy { (0x20...0x7E).contains($0) } && bytes.first != 0x20 && bytes.last != 0x20
    if isPlain, !(text.hasPrefix("=?base64?") && text.hasSuffix("?=")) { return text }
    return "=?base64?\(Data(bytes).base64EncodedString())?="
  }

  /// `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name`.
  static func routing(for message: ConnectMessage, version: String) -> [(name: String, value: String)] {
    var headers = [(name: "MCP-Protocol-Version", value: version), (name: "Mcp-Method", value: message.method)]
    if let name = message.name { headers.append(("Mcp-Name", encoded(name))) }
    return headers
  }
}

/// An argument of a tool that goes into a header too, because its schema says `x-mcp-header`.
struct ToolHeader: Equatable {
  /// `Mcp-Param-Region`
  var name: String
  /// The properties that lead to it from the root of the arguments.
  var path: [String]
}

/// What a list of tools says about headers.
struct ToolHeaders {
  /// By the tool's name.
  private(set) var tools: [String: [ToolHeader]] = [:]

  /// Takes in one page of `tools/list`.
  mutating func learn(from message: [UInt8]) {
    guard message.span.bytes.firstRange(of: "x-mcp-header") != nil,
      let list = try? JSONDecoder().decode(List.self, from: Data(message))
    else { return }
    for tool in list.result.tools {
      var headers: [ToolHeader] = []
      Self.collect(tool.inputSchema, path: [], into: &headers)
      tools[tool.name] = headers
    }
  }

  /// The headers of one call; an argument that is absent or null has none.
  func headers(for message: ConnectMessage) -> [(name: String, value: String)] {
    guard message.method == "tools/call", let name = message.name, let wanted = tools[name], !wanted.isEmpty,
      let call = try? JSONDecoder().decode(Call.self, from: Data(message.bytes)), let arguments = call.params.arguments
    else { return [] }
    return wanted.compactMap { header in
      arguments.text(at: header.path[...]).map { (header.name, ConnectHeaders.encoded($0)) }
    }
  }

  private static func collect(_ schema: Schema?, path: [String], into headers: inout [ToolHeader]) {
    if let name = schema?.header, !name.isEmpty {
      headers.append(ToolHeader(name: "Mcp-Param-\(name)", path: path))
    }
    for (key, property) in (schema?.properties ?? [:]).sorted(by: { $0.key < $1.key }) {
      collect(property, path: path + [key], into: &headers)
    }
  }

  private struct List: Decodable {
    var result: Result

    struct Result: Decodable {
      var tools: [Tool]
    }

    struct Tool: Decodable {
      var name: String
      var inputSchema: Schema?
    }
  }

  /// Only what leads to the annotations: `properties` and nothing else (SEP-2243).
  private struct Schema: Decodable {
    var header: String?
    var properties: [String: Schema]?

    enum CodingKeys: String, CodingKey {
      case header = "x-mcp-header"
      case properties
    }

    init(from decoder: any Decoder) throws {
      // A schema may also be `true`.
      guard let container = try? decoder.container(keyedBy: CodingKeys.self) else { return }
      header = try? container.decode(String.self, forKey: .header)
      properties = try? container.decode([String: Schema].self, forKey: .properties)
    }
  }

  private struct Call: Decodable {
    var params: Params

    struct Params: Decodable {
      var arguments: Argument?
    }
  }

  private indirect enum Argument: Decodable {
    case text(String)
    case object([String: Argument])
    case other

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let flag = try? container.decode(Bool.self) {
        self = .text(flag ? "true" : "false")
      } else if let number = try? container.decode(Int.self) {
        self = .text(String(number))
      } else if let text = try? container.decode(String.self) {
        self = .text(text)
      } else if let members = try? container.decode([String: Argument].self) {
        self = .object(members)
      } else {
        self = .other
      }
    }

    func text(at path: ArraySlice<String>) -> String? {
      switch self {
      case .text(let text): path.isEmpty ? text : nil
      case .object(let members): path.first.flatMap { members[$0] }?.text(at: path.dropFirst())
      case .other: nil
      }
    }
  }
}
