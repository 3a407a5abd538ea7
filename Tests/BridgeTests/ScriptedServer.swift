import ConfigurationSyntax
import Glibc
import Reactor
import Synchronization

/// An HTTP server on a loopback port that answers each request with what a script says, byte for byte.
final class ScriptedServer: Sendable {
  struct Request: Sendable {
    var method: String
    var target: String
    /// By names in lower case.
    var headers: [String: String]
    var body: String
    /// Which of the connections it came on, the first being 0.
    var connection = 0
  }

  enum Answer: Sendable {
    /// These bytes; then the connection is closed unless they say how long they are.
    case bytes(String)
    /// Nothing until the client closes.
    case silence
    /// The connection is closed.
    case nothing
  }

  let port: Int
  private let listener: Int32
  private let script: @Sendable (Request) -> Answer
  private let isStopped = Mutex(false)
  private let seen = Mutex<[Request]>([])

  /// Everything asked so far but the session's own stream, which comes at a time of its own.
  var requests: [Request] { seen.withLock { $0.filter { $0.method != "GET" } } }
  var allRequests: [Request] { seen.withLock { $0 } }

  /// - Parameter port: 0: any.
  init(port wanted: Int = 0, _ script: @escaping @Sendable (Request) -> Answer) {
    self.script = script
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = UInt16(wanted).bigEndian
    var on: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let failure = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic -> Int32 in
        if bind(listener, generic, size) != 0 || listen(listener, 16) != 0 { return errno }
        return getsockname(listener, generic, &size)
      }
    }
    precondition(failure == 0, "no port to listen on")
    port = Int(UInt16(bigEndian: address.sin_port))
    _ = Thread(name: "server") { [self] in
      var count = 0
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else {
          // Closed here and nowhere else: its number may be another server's a moment later.
          close(listener)
          return
        }
        let number = count
        count += 1
        _ = Thread(name: "served") { self.serve(connection, number) }
      }
    }
  }

  /// Refuses connections from now on.
  func stop() {
    isStopped.withLock { isStopped in
      if !isStopped { shutdown(listener, Int32(SHUT_RDWR)) }
      isStopped = true
    }
  }

  private func serve(_ connection: Int32, _ number: Int) {
    defer { close(connection) }
    while var request = receive(connection) {
      request.connection = number
      seen.withLock { $0.append(request) }
      switch script(request) {
      case .bytes(let text):
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
          let count = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
          if count <= 0 { return }
          rest = rest.dropFirst(count)
        }
        guard text.contains("Content-Length:") || text.contains("chunked") else { return }
      case .silence:
        var byte: UInt8 = 0
        _ = recv(connection, &byte, 1, 0)
      case .nothing: return
      }
    }
  }

  private func receive(_ connection: Int32) -> Request? {
    var bytes: [UInt8] = []
    func more() -> Bool {
      var chunk = [UInt8](repeating: 0, count: 4096)
      let count = recv(connection, &chunk, chunk.count, 0)
      if count > 0 { bytes += chunk[..<count] }
      return count > 0
    }
    let end = Array("\r\n\r\n".utf8)
    while bytes.firstRange(of: end) == nil { if !more() { return nil } }
    let head = bytes.firstRange(of: end)!
    let lines = String(decoding: bytes[..<head.lowerBound], as: UTF8.self).split(separator: "\r\n")
    let first = lines[0].split(separator: " ")
    var request = Request(method: String(first[0]), target: String(first[1]), headers: [:], body: "")
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      request.headers[parts[0].lowercased()] = parts.count > 1 ? HeaderForm.trimmed(String(parts[1])) : ""
    }
    let length = request.headers["content-length"].flatMap { Int($0) } ?? 0
    while bytes.count < head.upperBound + length { if !more() { return nil } }
    request.body = String(decoding: bytes[head.upperBound..<(head.upperBound + length)], as: UTF8.self)
    return request
  }
}

extension ScriptedServer.Answer {
  static func json(_ body: String, status: String = "200 OK", headers: String = "") -> Self {
    .bytes(
      "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    )
  }

  static func events(_ stream: String) -> Self {
    .bytes("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\(stream)")
  }

  static let accepted = Self.bytes("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
  static let notAllowed = Self.bytes("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
}
