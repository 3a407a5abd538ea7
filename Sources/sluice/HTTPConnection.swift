import Configuration
import Glibc
import Reactor

/// Why an exchange came to nothing.
enum HTTPFault: Error, CustomStringConvertible {
  case untrusted(reason: String)
  case unresolvable(host: String, reason: String)
  case unreachable(reason: String)
  case broken(reason: String)
  case malformed(reason: String)
  case status(Int)

  /// Nobody was there to be sent anything.
  var isAbsence: Bool {
    switch self {
    case .unreachable, .unresolvable: true
    default: false
    }
  }

  var description: String {
    switch self {
    case .untrusted(let reason): reason
    case .unresolvable(let host, let reason): "the host \(host) is not known: \(reason)"
    case .unreachable(let reason): "no connection: \(reason)"
    case .broken(let reason): "the connection broke: \(reason)"
    case .malformed(let reason): "the answer is not HTTP/1.1: \(reason)"
    case .status(let status): "it answered \(status)"
    }
  }
}

/// One blocking HTTP/1.1 connection for one exchange, for the commands that are clients of a gateway.
///
/// Blocking on purpose: each such command waits for one answer per thread and has nothing else to do.
struct HTTPConnection: ~Copyable {
  struct Head {
    var status: Int
    /// Names in lower case.
    var fields: [(name: String, value: String)]

    subscript(name: String) -> String? {
      fields.first { $0.name == name }?.value
    }
  }

  private let socket: Socket
  /// nil: plain.
  private let tls: TLSStream?
  private let authority: String
  private var buffer: [UInt8]
  private var framing: Framing

  private enum Framing {
    case none
    case length(Int)
    /// Bytes left of the current chunk; nil before its size line.
    case chunked(Int?)
    case untilClose
  }

  /// No answer's head may be longer.
  private static let largestHead = 256 << 10

  /// - Parameters:
  ///   - timeout: seconds that any one read or write may take; nil: as long as it takes, as streams do.
  ///   - connectTimeout: seconds that connecting may take, if `timeout` does not say.
  ///   - trust: what an https server is checked against; nil: the system's roots.
  init(
    to url: EndpointURL, timeout: Int? = nil, connectTimeout: Int? = nil, trust: TLSContext? = nil
  ) throws(HTTPFault) {
    let socket = Socket(
      descriptor: try Self.connect(host: url.host, port: url.port, timeout: timeout ?? connectTimeout))
    let tls = url.scheme.isEncrypted ? try Self.secure(socket, host: url.host, trust) : nil
    if timeout == nil { Self.setTimeout(of: socket.descriptor, seconds: 0) }
    self.socket = socket
    self.tls = tls
    authority = url.authority
    buffer = []
    framing = .none
  }

  /// Closed once neither the connection nor a canceller holds it, so that a late canceller can't hit another's.
  private final class Socket: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) {
      self.descriptor = descriptor
    }

    deinit {
      close(descriptor)
    }
  }

  private static func connect(host: String, port: Int, timeout: Int?) throws(HTTPFault) -> Int32 {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = streamSocket
    var list: UnsafeMutablePointer<addrinfo>?
    let failure = getaddrinfo(host, String(port), &hints, &list)
    guard failure == 0, let list else {
      throw .unresolvable(host: host, reason: String(cString: gai_strerror(failure)))
    }
    defer { freeaddrinfo(list) }
    var reason = "no address"
    var next: UnsafeMutablePointer<addrinfo>? = list
    while let candidate = next {
      let address = candidate.pointee
      next = address.ai_next
      let descriptor = Glibc.socket(address.ai_family, address.ai_socktype | closeOnExec, address.ai_protocol)
      guard descriptor >= 0 else {
        reason = String(cString: strerror(errno))
        continue
      }
      if let timeout { setTimeout(of: descriptor, seconds: timeout) }
      var on: Int32 = 1
      setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
      if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return descriptor }
      reason = String(cString: strerror(errno))
      close(descriptor)
    }
    throw .unreachable(reason: reason)
  }

  private static func secure(_ socket: Socket, host: String, _ trust: TLSContext?) throws(HTTPFault) -> TLSStream {
    do throws(TLSContext.Failure) {
      let context: TLSContext
      if let trust {
        context = trust
      } else {
        context = try TLSContext(ca: nil, certificate: nil, key: nil, verify: true)
      }
      return try TLSStream(context, descriptor: socket.descriptor, of: socket, host: host)
    } catch {
      throw .untrusted(reason: error.description)
    }
  }

  /// Bounds connecting too (socket(7)); 0 takes the bounds away.
  private static func setTimeout(of descriptor: Int32, seconds: Int) {
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
  }

  /// Lets another thread end a read that waits: the next read sees the end of the stream.
  var canceller: @Sendable () -> Void {
    let socket = socket
    return { _ = shutdown(socket.descriptor, Int32(SHUT_RDWR)) }
  }

  // MARK: Request

  mutating func send(
    method: String, target: String, headers: [(name: String, value: String)], body: [UInt8]?
  ) throws(HTTPFault) {
    var head = "\(method) \(target) HTTP/1.1\r\nHost: \(authority)\r\nConnection: close\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if let body { head += "Content-Length: \(body.count)\r\n" }
    var bytes = (Array((head + "\r\n").utf8) + (body ?? []))[...]
    if let tls {
      guard tls.write(bytes) else { throw .broken(reason: "nothing can be sent") }
      return
    }
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.send(socket.descriptor, $0.baseAddress, $0.count, noSignal) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .broken(reason: String(cString: strerror(errno))) }
      bytes = bytes.dropFirst(count)
    }
  }

  // MARK: Answer

  /// The head of the final answer; interim ones are skipped.
  mutating func readHead() throws(HTTPFault) -> Head {
    while true {
      guard let statusLine = try readLine() else { throw .broken(reason: "it ended before an answer") }
      let parts = statusLine.split(separator: " ", maxSplits: 2)
      guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
        throw .malformed(reason: "its first line is `\(statusLine.prefix(60))`")
      }
      var head = Head(status: status, fields: [])
      var size = statusLine.utf8.count
      while let line = try readLine(), !line.isEmpty {
        size += line.utf8.count
        guard size <= Self.largestHead else { throw .malformed(reason: "its head has no end") }
        guard let colon = line.firstIndex(of: ":") else { throw .malformed(reason: "a header field without a colon") }
        head.fields.append((line[..<colon].lowercased(), HTTPText.trimmed(line[line.index(after: colon)...])))
      }
      if (100..<200).contains(status) { continue }
      framing = try Self.framing(of: head)
      return head
    }
  }

  private static func framing(of head: Head) throws(HTTPFault) -> Framing {
    if head.status == 204 || head.status == 304 { return .none }
    if let coding = head["transfer-encoding"]?.lowercased() {
      guard coding == "chunked" else { throw .malformed(reason: "transfer coding \(coding)") }
      return .chunked(nil)
    }
    guard let length = head["content-length"] else { return .untilClose }
    guard let count = Int(length), count >= 0 else { throw .malformed(reason: "content length \(length)") }
    return .length(count)
  }

  /// All of the body, up to `limit` bytes of it.
  mutating func readBody(limit: Int = .max) throws(HTTPFault) -> [UInt8] {
    var body: [UInt8] = []
    while let piece = try readPiece() {
      body += piece
      guard body.count <= limit else { throw .malformed(reason: "its body has no end") }
    }
    return body
  }

  /// The next bytes of the body as they come, nil at its end.
  mutating func readPiece() throws(HTTPFault) -> [UInt8]? {
    switch framing {
    case .none, .length(0):
      framing = .none
      return nil
    case .length(let left):
      let piece = try take(upTo: left)
      guard !piece.isEmpty else { throw .broken(reason: "it ended inside a body") }
      framing = .length(left - piece.count)
      return piece
    case .untilClose:
      let piece = try take(upTo: .max)
      return piece.isEmpty ? nil : piece
    case .chunked(nil):
      guard let line = try readLine() else { throw .broken(reason: "it ended inside a body") }
      let digits = line.prefix { $0.isHexDigit }
      guard let size = Int(digits, radix: 16) else { throw .malformed(reason: "chunk size `\(line.prefix(20))`") }
      if size == 0 {
        while let trailer = try readLine(), !trailer.isEmpty {}
        framing = .none
        return nil
      }
      framing = .chunked(size)
      return try readPiece()
    case .chunked(.some(let left)):
      let piece = try take(upTo: left)
      guard !piece.isEmpty else { throw .broken(reason: "it ended inside a body") }
      if piece.count < left {
        framing = .chunked(left - piece.count)
      } else {
        guard try readLine() == "" else { throw .malformed(reason: "a chunk without its end") }
        framing = .chunked(nil)
      }
      return piece
    }
  }

  // MARK: Bytes

  /// What is buffered, or else what one read brings; empty at the end of the stream.
  private mutating func take(upTo count: Int) throws(HTTPFault) -> [UInt8] {
    if buffer.isEmpty { _ = try fill() }
    let piece = Array(buffer.prefix(count))
    buffer.removeFirst(piece.count)
    return piece
  }

  /// A line without its end; nil at the end of the stream.
  private mutating func readLine() throws(HTTPFault) -> String? {
    var searched = 0
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0A) {
        var line = buffer[..<end]
        if line.last == 0x0D { line.removeLast() }
        let text = String(decoding: line, as: UTF8.self)
        buffer.removeFirst(end + 1)
        return text
      }
      searched = buffer.count
      guard searched <= Self.largestHead else { throw .malformed(reason: "a line has no end") }
      if try !fill() { return nil }
    }
  }

  private mutating func fill() throws(HTTPFault) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    if let tls {
      let count = tls.read(&chunk)
      guard count >= 0 else { throw .broken(reason: "it ended, or was cut off, without a word") }
      buffer += chunk[..<count]
      return count > 0
    }
    while true {
      let count = recv(socket.descriptor, &chunk, chunk.count, 0)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw .broken(reason: String(cString: strerror(errno))) }
      buffer += chunk[..<count]
      return count > 0
    }
  }
}

enum HTTPText {
  static func trimmed(_ text: Substring) -> String {
    var rest = text
    while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
    while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
    return String(rest)
  }
}

private let streamSocket = Int32(SOCK_STREAM.rawValue)
private let closeOnExec = Int32(SOCK_CLOEXEC.rawValue)
private let noSignal = Int32(MSG_NOSIGNAL)
