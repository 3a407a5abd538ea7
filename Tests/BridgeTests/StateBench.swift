import ConfigurationSyntax
import Wire

@testable import Bridge

/// A bridge's state with a client and a server that do what the test says.
struct StateBench {
  var state: BridgeState
  var now: UInt64 = 1000
  /// Heads and bodies of what was sent, by exchange, the last one of each.
  private(set) var requests: [ExchangeID: String] = [:]
  /// The order in which they were sent.
  private(set) var order: [ExchangeID] = []
  private(set) var lines: [String] = []
  private(set) var remarks: [String] = []
  private(set) var abandoned: [ExchangeID] = []
  private(set) var alarms: [(alarm: BridgeState.Alarm, due: UInt64)] = []
  private(set) var isOver = false

  init(patience: UInt64 = 0) {
    state = BridgeState(
      EndpointURL(scheme: .http, host: "h", port: 80, target: "/mcp"), headers: [("X-Own", "1")], patience: patience)
  }

  mutating func settle() {
    for action in state.takeActions() {
      switch action {
      case .request(let id, let bytes):
        requests[id] = String(decoding: bytes, as: UTF8.self)
        order.append(id)
      case .abandon(let id): abandoned.append(id)
      case .write(let line): lines.append(String(decoding: line, as: UTF8.self))
      case .remark(let text): remarks.append(text)
      case .wake(let alarm, let milliseconds): alarms.append((alarm, now + milliseconds))
      case .over: isOver = true
      }
    }
  }

  mutating func line(_ text: String) {
    state.line(Array(text.utf8), at: now)
    settle()
  }

  mutating func sent(_ id: ExchangeID) {
    state.sent(id, at: now)
    settle()
  }

  mutating func head(_ id: ExchangeID, _ status: Int = 200, _ media: AnswerHead.Media = .json, session: String? = nil) {
    state.head(id, AnswerHead(status, media, session: session.map { Array($0.utf8) }), at: now)
    settle()
  }

  mutating func piece(_ id: ExchangeID, _ text: String) {
    state.piece(id, Array(text.utf8).rawBytes, at: now)
    settle()
  }

  mutating func ended(_ id: ExchangeID) {
    state.ended(id, at: now)
    settle()
  }

  mutating func lost(_ id: ExchangeID, _ kind: Loss.Kind, _ reason: String = "why") {
    state.lost(id, Loss(kind, reason), at: now)
    settle()
  }

  /// A whole answer.
  mutating func answer(
    _ id: ExchangeID, _ body: String, status: Int = 200, _ media: AnswerHead.Media = .json, session: String? = nil
  ) {
    head(id, status, media, session: session)
    if !body.isEmpty { piece(id, body) }
    ended(id)
  }

  mutating func inputEnded() {
    state.inputEnded(at: now)
    settle()
  }

  mutating func stop() {
    state.stop(at: now)
    settle()
  }

  /// Lets time pass, and what is due then happen.
  mutating func advance(_ milliseconds: UInt64) {
    now += milliseconds
    let due = alarms.filter { $0.due <= now }
    alarms.removeAll { $0.due <= now }
    for (alarm, _) in due {
      state.alarm(alarm, at: now)
      settle()
    }
  }

  /// The one that was sent last.
  var last: ExchangeID { order.last ?? ExchangeID(number: 0) }

  /// The value of a header of a request.
  func header(_ name: String, of id: ExchangeID) -> String? {
    let lines = (requests[id] ?? "").components(before: "\r\n\r\n")
    return lines.first { $0.lowercased().hasPrefix(name.lowercased() + ": ") }.map {
      String($0.dropFirst(name.count + 2))
    }
  }

  func body(of id: ExchangeID) -> String {
    let text = requests[id] ?? ""
    guard let end = text.range("\r\n\r\n") else { return "" }
    return String(text.utf8[end.upperBound...]) ?? ""
  }

  /// `POST`, `GET`…
  func method(of id: ExchangeID) -> String { String((requests[id] ?? "").prefix { $0 != " " }) }
}

extension String {
  fileprivate func range(_ part: String) -> Range<String.Index>? {
    let bytes = Array(part.utf8)
    return utf8.firstRange(of: bytes)
  }

  fileprivate func components(before end: String) -> [String] {
    let head = range(end).map { String(utf8[..<$0.lowerBound]) ?? "" } ?? self
    return head.split(separator: "\r\n").map(String.init)
  }
}

let initialize =
  #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#
let initialized = #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
let opened = #"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}"#

func legacy(_ id: Int, _ method: String = "ping") -> String {
  #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)"}"#
}

func result(_ id: Int) -> String { #"{"jsonrpc":"2.0","id":\#(id),"result":{}}"# }

func modern(_ id: String, _ method: String, _ params: String = "") -> String {
  #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":{\#(params)"_meta":{"#
    + #""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
}
