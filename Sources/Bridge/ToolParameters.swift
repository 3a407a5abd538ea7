import MCP
import Wire

/// What lists of tools say of arguments that go into headers too.
struct ToolParameters {
  /// One page of a list, as far as it matters here.
  struct Page {
    var names: [[UInt8]] = []
    /// Names of tools whose annotations break a rule, with the reason.
    var faults: [(tool: String, reason: String)] = []
    /// The token of the next page's cursor.
    var nextCursor: [UInt8]?
  }

  /// By the tool's name.
  private var tools: [[UInt8]: [MirroredParameter]] = [:]

  /// Takes in the answer to one `tools/list`; nil if it is none.
  mutating func learn(from answer: [UInt8]) -> Page? {
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(answer.rawBytes, depth: 1000)
    guard let list = envelope.value(.tools as ResultKey), JSON.kind(of: list) == .array else { return nil }
    var page = Page()
    if let cursor = envelope.value(.nextCursor as ResultKey), JSON.kind(of: cursor) == .string {
      page.nextCursor = cursor.array
    }
    var items = JSON.items(of: list)
    while let item = items.next() {
      let tool = items.value(of: item)
      guard let token = JSON.find("name", in: tool), let name = JSON.bytes(token) else { continue }
      page.names.append(name)
      tools[name] = []
      guard let schema = JSON.find("inputSchema", in: tool) else { continue }
      switch MirroredParameters(schema: schema) {
      case .valid(let found): tools[name] = found
      case .invalid(let reason): page.faults.append((name.rawBytes.text, reason))
      }
    }
    return page
  }

  /// Those of the tool that a message calls.
  func parameters(for message: Message) -> [MirroredParameter] {
    guard message.methodCode == .toolsCall, let name = message.name else { return [] }
    return tools[name] ?? []
  }
}
