import Demonstration
import MCP
import Testing
import Wire

/// A client of the demonstration server, as the gateway stands between them: requests with integer ids in, messages out.
struct Conversation {
  static let id: UInt64 = 41
  static let start = Timestamp(milliseconds: 1_795_377_600_000)
  static let key = SipHash(key: InlineArray(repeating: 7))

  let revision: Revision
  /// What the client declares.
  var abilities: ClientCapabilities = [.elicitationForm]
  var server: DemonstrationServer
  var now = Conversation.start

  init(_ revision: Revision) {
    self.revision = revision
    server = DemonstrationServer(key: Self.key, startedAt: Self.start)
  }

  // MARK: Going in

  mutating func send(
    _ method: String, _ members: String = "", meta: String = "", id: UInt64 = Conversation.id
  ) -> [DemonstrationServer.Step] {
    var metaMembers = meta
    if revision.era == .modern {
      var declared = ByteBuffer()
      declared.append(abilities, for: revision)
      metaMembers +=
        (meta.isEmpty ? "" : ",") + #""io.modelcontextprotocol/protocolVersion":"2026-07-28","#
        + #""io.modelcontextprotocol/clientCapabilities":"# + declared.bytes.text
    }
    let params = members + (members.isEmpty ? "" : ",") + #""_meta":{\#(metaMembers)}"#
    let message = Array(#"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":{\#(params)}}"#.utf8)
    let client = DemonstrationServer.Client(revision: revision, abilities: revision.era == .legacy ? abilities : [])
    return server.receive(message.rawBytes, from: client, now: now)
  }

  /// A request that is answered at once.
  mutating func ask(_ method: String, _ members: String = "") throws -> Answer {
    try Answer(only: send(method, members))
  }

  mutating func callTool(_ name: String, _ arguments: String = "{}", more: String = "") throws -> Answer {
    try ask("tools/call", #""name":"\#(name)","arguments":\#(arguments)"# + more)
  }
}

extension Conversation {
  /// The client's answer to a question: what becomes of the call it belongs to, nil if it belongs to none.
  mutating func reply(_ message: String) throws -> Answer? {
    let bytes = Array(message.utf8)
    guard let (call, steps) = server.answered(bytes.rawBytes) else { return nil }
    let answer = try Answer(only: steps)
    #expect(answer.id == call)
    return answer
  }
}

/// A message of the server's, taken apart.
struct Answer: Equatable {
  let bytes: [UInt8]

  init(only steps: [DemonstrationServer.Step]) throws {
    try #require(steps.count == 1)
    try self.init(steps[0])
  }

  init(_ step: DemonstrationServer.Step) throws {
    guard case .send(let bytes) = step else {
      Issue.record("not a message: \(step)")
      throw NotAMessage()
    }
    self.bytes = bytes
    let isValid = JSON.isValid(bytes.rawBytes)
    #expect(isValid)
  }

  struct NotAMessage: Error {}

  /// The raw JSON at a path of member names and indices, or nil.
  subscript(path: String...) -> String? {
    var place = Slice(offset: 0, length: bytes.count)
    for name in path {
      let container = bytes.rawBytes[place]
      var items = JSON.items(of: container)
      var found: Slice?
      var index = 0
      while let item = items.next() {
        let isIt = JSON.kind(of: container) == .array ? String(index) == name : container[item.key].text == name
        if isIt { found = item.value.shifted(by: place.offset) }
        index += 1
      }
      guard let found else { return nil }
      place = found
    }
    return bytes.rawBytes[place].text
  }

  /// The text of a raw string.
  static func plain(_ token: String?) -> String? {
    guard let token else { return nil }
    return JSON.string(Array(token.utf8).rawBytes)
  }

  var id: UInt64? { self["id"].flatMap { UInt64($0) } }
  var text: String? { Self.plain(self["result", "content", "0", "text"]) }
  var isError: Bool { self["result", "isError"] == "true" }
  var code: Int? { self["error", "code"].flatMap { Int($0) } }
  var message: String? { Self.plain(self["error", "message"]) }
}
