import CWire

/// A server's end of a connection of the gateway's: of HTTP requests one by one, or of a conversation for all of them.
final class UpstreamConnection {
  let peer: MemoryPeer
  private unowned let upstream: BenchUpstream
  private var reader = HTTPReader(requests: true)
  private var frames: FrameReader?
  /// What has come of a child's input, and is no whole line yet.
  private var line: [UInt8]?
  private(set) var hasEnded = false
  /// What the server says of no request can be sent here.
  var listens = false
  /// Where the messages of an HTTP+SSE conversation are POSTed to, whose stream this is.
  private(set) var messagesPath: String?
  /// It is not read.
  var isStalled = false {
    didSet { peer.accept(isStalled ? 1 : 1 << 20) }
  }
  /// The id of the listen that it carries, of the modern era.
  var listenID: JSONValue?

  init(_ peer: MemoryPeer, of upstream: BenchUpstream) {
    self.peer = peer
    self.upstream = upstream
    guard case .stdio = upstream.transport else { return }
    line = []
    listens = true
  }

  /// Reads what has come. True if there was anything.
  func step() -> Bool {
    if isStalled { return false }
    let bytes = peer.take()
    if line != nil {
      readLines(bytes)
    } else if frames != nil {
      read(bytes)
    } else if !bytes.isEmpty {
      reader.feed(bytes)
      if let problem = reader.problem { upstream.report(problem) }
      while frames == nil, let request = reader.takeMessage() { upstream.receive(request, on: self) }
    }
    let ends = peer.isEnded && !hasEnded
    // A good child ends with its input.
    if ends, line != nil { end() }
    if ends { hasEnded = true }
    return !bytes.isEmpty || ends
  }

  private func readLines(_ bytes: [UInt8]) {
    line?.append(contentsOf: bytes)
    while let whole = line, let end = whole.firstIndex(of: UInt8(ascii: "\n")) {
      line = Array(whole[(end + 1)...])
      guard let message = JSONValue(parsing: Array(whole[..<end])) else {
        upstream.report("a child got a line that is no JSON: \(String(decoding: whole[..<end], as: UTF8.self))")
        continue
      }
      upstream.receive(message, nil, on: self)
    }
  }

  private func read(_ bytes: [UInt8]) {
    for bytes in frames?.messages(in: bytes) ?? [] {
      guard let message = JSONValue(parsing: bytes) else {
        upstream.report("a WebSocket brought what is no JSON")
        continue
      }
      upstream.receive(message, nil, on: self)
    }
    if let problem = frames?.problem { upstream.report("a WebSocket brought \(problem)") }
    if frames?.closeCode != nil, !hasEnded {
      peer.send(WebSocketFrame.close(1000, mask: nil))
      end()
    }
  }

  // MARK: Opening

  func openSocket(_ request: HTTPMessage) {
    let accept = WebSocketFrame.accept(request.headers["sec-websocket-key"] ?? "")
    let head =
      "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \(accept)\r\nSec-WebSocket-Protocol: mcp\r\n\r\n"
    peer.send(Array(head.utf8))
    listens = true
    frames = FrameReader(CWIRE_WS_CLIENT)
    read(reader.takeRest())
  }

  func openStream() {
    peer.send(
      Array("HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".utf8))
  }

  /// The stream of HTTP+SSE.
  func openConversation(messagesPath: String) {
    self.messagesPath = messagesPath
    listens = true
    openStream()
    sendEvent("event: endpoint\ndata: \(messagesPath)\n\n")
  }

  // MARK: Messages

  private var isConversation: Bool { frames != nil || messagesPath != nil || line != nil }

  /// A notification or a response was taken.
  func accept() { if !isConversation { reply(202, nil) } }

  /// A whole answer.
  func reply(_ status: Int, _ message: JSONValue?, headers: [String] = [], text: String = "") {
    if let message, isConversation { return send(message) }
    let body = message?.bytes ?? Array(text.utf8)
    let headers = text.isEmpty ? headers : headers + ["Content-Type: text/plain"]
    var head = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.count)\r\n"
    for header in headers + (message == nil ? [] : ["Content-Type: application/json"]) { head += header + "\r\n" }
    peer.send(Array((head + "\r\n").utf8) + body)
  }

  /// A message of a stream or a conversation.
  func send(_ message: JSONValue, eventID: String? = nil) {
    if line != nil { return peer.send(message.bytes + [UInt8(ascii: "\n")]) }
    if frames != nil { return peer.send(WebSocketFrame.bytes(CWIRE_WS_TEXT, message.bytes, mask: nil)) }
    let id = eventID.map { "id: \($0)\n" } ?? ""
    sendEvent("\(id)event: message\ndata: \(message)\n\n")
  }

  func sendEvent(_ text: String) {
    peer.send(Array("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n".utf8))
  }

  // MARK: The end

  func endStream() { peer.send(Array("0\r\n\r\n".utf8)) }

  func end() {
    peer.end()
    hasEnded = true
  }

  func reset() {
    peer.reset()
    hasEnded = true
  }
}
