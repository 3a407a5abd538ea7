import Foundation

/// One HTTP message as a test sees it: enough of HTTP/1.1 for what the gateway writes, and strict about it.
struct HTTPMessage {
  var start = ""
  var headers: [String: String] = [:]
  var body: [UInt8] = []
  var isComplete = false

  var status: Int { Int(start.split(separator: " ").dropFirst().first ?? "") ?? 0 }
  var method: String { String(start.split(separator: " ").first ?? "") }
  var target: String { String(start.split(separator: " ").dropFirst().first ?? "") }
  var isEventStream: Bool { headers["content-type"]?.hasPrefix("text/event-stream") ?? false }
  var json: [String: Any]? { Self.object(body) }

  static func object(_ bytes: [UInt8]) -> [String: Any]? {
    (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any]
  }

  /// The events of a stream so far, those that are whole.
  var events: [(id: String?, message: [String: Any]?)] {
    var found: [(String?, [String: Any]?)] = []
    var blocks = String(decoding: body, as: UTF8.self).components(separatedBy: "\n\n")
    blocks.removeLast()
    for block in blocks {
      var id: String?
      var data: [String] = []
      for line in block.split(separator: "\n") {
        if line.hasPrefix("id: ") { id = String(line.dropFirst(4)) }
        if line.hasPrefix("data: ") { data.append(String(line.dropFirst(6))) }
      }
      if id != nil || !data.isEmpty { found.append((id, Self.object(Array(data.joined(separator: "\n").utf8)))) }
    }
    return found
  }
}

/// Finds the messages in what one side of a connection wrote.
struct HTTPReader {
  private enum Mode {
    case head
    case length(Int)
    case chunked
    case untilEnd
  }

  private let readsRequests: Bool
  private var buffer: [UInt8] = []
  private var mode = Mode.head
  /// The message that is coming in, its head at least.
  private(set) var current: HTTPMessage?
  /// What can't be HTTP.
  private(set) var problem: String?

  init(requests: Bool) { readsRequests = requests }

  mutating func feed(_ bytes: [UInt8]) {
    buffer += bytes
    while problem == nil, current?.isComplete != true, advance() {}
  }

  /// The message, once it is whole; the next one begins.
  mutating func takeMessage() -> HTTPMessage? {
    guard let message = current, message.isComplete else { return nil }
    current = nil
    mode = .head
    if message.status != 101 { feed([]) }
    return message
  }

  /// Some of a message whose length is known is there, and the rest is not.
  var isWithinMessage: Bool {
    if case .length = mode { current?.isComplete == false } else { false }
  }

  /// What came behind the last message: after 101 it is no HTTP any more.
  mutating func takeRest() -> [UInt8] {
    defer { buffer = [] }
    return buffer
  }

  /// The other side has ended: what had no length is whole.
  mutating func end() {
    if case .untilEnd = mode { current?.isComplete = true }
  }

  private mutating func advance() -> Bool {
    switch mode {
    case .head: return readHead()
    case .length(let length):
      guard buffer.count >= length else { return false }
      current?.body = Array(buffer[..<length])
      buffer.removeFirst(length)
      current?.isComplete = true
      return false
    case .chunked: return readChunk()
    case .untilEnd:
      current?.body += buffer
      buffer = []
      return false
    }
  }

  private mutating func readHead() -> Bool {
    guard let end = find("\r\n\r\n") else { return false }
    let lines = String(decoding: buffer[..<end], as: UTF8.self).components(separatedBy: "\r\n")
    buffer.removeFirst(end + 4)
    var message = HTTPMessage()
    message.start = lines[0]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else {
        problem = "a header line without a colon: \(line)"
        return false
      }
      let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      message.headers[line[..<colon].lowercased()] = value
    }
    let length = message.headers["content-length"].flatMap { Int($0) }
    if message.headers["transfer-encoding"] == "chunked" {
      if length != nil { problem = "a message with two lengths" }
      mode = .chunked
    } else if let length {
      mode = .length(length)
    } else if readsRequests || message.status == 204 || message.status == 304 || message.status / 100 == 1 {
      mode = .length(0)
    } else {
      mode = .untilEnd
    }
    if !readsRequests, message.status == 101 { message.isComplete = true }
    if !readsRequests, message.status / 100 == 1, !message.isComplete {
      mode = .head
      return true
    }
    current = message
    return !message.isComplete
  }

  private mutating func readChunk() -> Bool {
    guard let line = find("\r\n") else { return false }
    guard let size = Int(String(decoding: buffer[..<line], as: UTF8.self), radix: 16) else {
      problem = "a chunk without a size"
      return false
    }
    guard buffer.count >= line + 2 + size + 2 else { return false }
    current?.body += buffer[(line + 2)..<(line + 2 + size)]
    buffer.removeFirst(line + 2 + size + 2)
    if size == 0 { current?.isComplete = true }
    return size > 0
  }

  private func find(_ text: String) -> Int? {
    let wanted = Array(text.utf8)
    guard buffer.count >= wanted.count else { return nil }
    return (0...(buffer.count - wanted.count)).first { buffer[$0] == wanted[0] && buffer[$0...].starts(with: wanted) }
  }
}
