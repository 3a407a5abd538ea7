import Configuration
import Gateway
import Logging
import Reactor

#if canImport(Glibc)
  import Glibc
#endif

/// How one gateway takes another's place without closing a listening socket: the new process connects to the Unix socket
/// of the running one and gets the sockets; once it serves it says so, and the old one drains. If it ends before that, the
/// old one goes on as if nothing had happened.
///
///     new: sluice takeover 1
///     old: sluice takeover 1 sockets      (and a line with its listener for each descriptor)
///     old: serving                        (and a line with its alias for each server that answers)
///     new: ready
///
/// An older version neither says nor reads which servers answer.
enum Takeover {
  private static let greeting = "sluice takeover 1"
  private static let ready = "ready"
  private static let serving = "serving"
  /// The most aliases, of at most 32 bytes each, that fit into one word.
  private static let mostServers = 400
  /// How long the other end may take to answer, in milliseconds.
  private static let patience: Int32 = 5000
  /// How often a gateway is looked for that is being replaced or ends, and how long in between, in milliseconds.
  private static let attempts = 50
  private static let pause: UInt32 = 100
  /// How long the running process waits at once for a word, since a signal may come meanwhile, in milliseconds.
  private static let step: Int32 = 50

  struct Failure: Error {
    let description: String
  }

  /// Where a gateway with this configuration is reached, once its port is known.
  static func path(_ configuration: GatewayConfiguration, port: UInt16, environment: [String: String]) -> String {
    if let path = configuration.takeoverSocket { return path }
    if let directory = environment["XDG_RUNTIME_DIR"], directory.hasPrefix("/") {
      return "\(directory)/sluice-\(port).sock"
    }
    return "/tmp/sluice-\(getuid())-\(port).sock"
  }

  // MARK: The new process

  /// The running gateway, as the one knows it that takes its place.
  struct Predecessor: Sendable {
    fileprivate let socket: HandoverSocket
    let sockets: [ListeningSocket]
    let process: Int32
    /// The servers that answer there; nil if it does not say.
    let servers: [String]?

    /// Whether it has ended, or hands nothing over any more. Waits for that for so many milliseconds.
    func isGone(within milliseconds: Int32) -> Bool {
      do throws(ReactorError) {
        return try socket.receive(milliseconds: milliseconds) == nil
      } catch {
        return !error.isTimeout
      }
    }

    /// This process serves: the other one may drain.
    func ready() throws(ReactorError) { try socket.send(Takeover.ready) }
  }

  /// Gets the sockets of the gateway at that path; nil if there is none. One that is replaced or ends while it is asked
  /// is not the last word: whoever has the path then is asked, and if that is nobody, there is nobody.
  static func begin(at path: String) throws(Failure) -> Predecessor? {
    for _ in 0..<attempts {
      let socket: HandoverSocket
      do throws(ReactorError) {
        socket = try HandoverSocket.connect(to: path)
      } catch {
        // Nobody listens there (any more).
        if access(path, F_OK) != 0 || error.isRefused { return nil }
        throw Failure(description: "can't take over from the gateway at \(path): \(error)")
      }
      var answer: HandoverSocket.Message?
      do throws(ReactorError) {
        try socket.send(greeting)
        answer = try socket.receive(milliseconds: patience)
      } catch {
        guard error.isDisconnected else {
          throw Failure(description: "can't take over from the gateway at \(path): \(error)")
        }
      }
      if let answer { return try predecessor(at: path, answer, socket) }
      System.sleep(milliseconds: pause)
    }
    throw Failure(description: "the gateway at \(path) does not hand over its sockets")
  }

  private static func predecessor(
    at path: String, _ answer: HandoverSocket.Message, _ socket: HandoverSocket
  ) throws(Failure) -> Predecessor {
    var lines = answer.text.split(separator: "\n").map(String.init)
    guard !lines.isEmpty, lines.removeFirst() == "\(greeting) sockets", lines.count == answer.descriptors.count else {
      throw Failure(description: "the gateway at \(path) does not hand over its sockets: \(answer.text)")
    }
    let sockets = zip(lines, answer.descriptors).map { ListeningSocket(listener: $0, descriptor: $1) }
    return Predecessor(socket: socket, sockets: sockets, process: socket.peer, servers: servers(of: socket))
  }

  /// The word follows at once, or never.
  private static func servers(of socket: HandoverSocket) -> [String]? {
    guard let word = try? socket.receive(milliseconds: 500) else { return nil }
    var lines = word.text.split(separator: "\n").map(String.init)
    guard !lines.isEmpty, lines.removeFirst() == serving else { return nil }
    return lines
  }

  // MARK: The running process

  /// Waits for a process that wants to take this one's place.
  final class Host: Sendable {
    let path: String
    private let socket: HandoverSocket
    private let temporary: String
    private let stamp: [Int]

    var descriptor: Int32 { socket.descriptor }

    /// Listens under a name of its own: the path may still be the predecessor's.
    init(path: String) throws(ReactorError) {
      self.path = path
      temporary = "\(path).\(getpid())"
      HandoverSocket.sweep(path)
      unlink(temporary)
      socket = try HandoverSocket.listen(at: temporary)
      stamp = System.stamp(of: temporary)
    }

    /// From now on whoever comes to the path comes here.
    /// - Parameter predecessor: whether the socket there is that of the process whose place this one takes.
    /// - Returns: why not; nil if so. What others have put there stays.
    func publish(replacing predecessor: Bool) -> String? {
      var found = stat()
      if lstat(path, &found) == 0 {
        guard found.st_mode & S_IFMT == S_IFSOCK else { return "there is something else than a socket" }
        // A socket that nobody listens on was left behind.
        if !predecessor, (try? HandoverSocket.connect(to: path)) != nil { return "another process listens there" }
      }
      return rename(temporary, path) == 0 ? nil : "it can't be made"
    }

    /// Leaves nothing behind, unless the path is somebody else's by now, and sends away who waits.
    func withdraw() {
      unlink(temporary)
      if System.stamp(of: path) == stamp { unlink(path) }
      while (try? socket.accept()) != nil {}
    }

    /// Hands the sockets to who has come, says which servers answer here, and waits until that process serves. True if
    /// it does; false if it gave up or failed, and this process goes on. `isInterrupted` is asked again and again whether
    /// something else is more urgent.
    func handOver(
      _ sockets: [ListeningSocket], serving servers: [String], _ logger: Logger, isInterrupted: () -> Bool
    ) -> Bool {
      do throws(ReactorError) {
        let successor = try socket.accept()
        guard let hello = try hello(of: successor, isInterrupted) else { return false }
        guard hello.text == Takeover.greeting else {
          try successor.send("\(Takeover.greeting) only")
          return false
        }
        logger.info("process \(successor.peer) wants to take over")
        let names = sockets.map { "\n" + $0.listener }.joined()
        try successor.send("\(Takeover.greeting) sockets\(names)", sockets.map(\.descriptor))
        let lines = servers.prefix(Takeover.mostServers).map { "\n" + $0 }.joined()
        try successor.send(Takeover.serving + lines)
        while !isInterrupted() {
          do throws(ReactorError) {
            guard let word = try successor.receive(milliseconds: Takeover.step) else { break }
            guard word.text == Takeover.ready else { break }
            return true
          } catch {
            if !error.isTimeout { break }
          }
        }
        logger.warning("process \(successor.peer) did not get to serve; this one goes on")
      } catch {
        logger.warning("a takeover failed: \(error); this process goes on")
      }
      return false
    }

    /// The first word of who has come; nil if it goes or something is more urgent.
    private func hello(
      of successor: HandoverSocket, _ isInterrupted: () -> Bool
    ) throws(ReactorError) -> HandoverSocket.Message? {
      let end = System.uptime + UInt64(Takeover.patience)
      while !isInterrupted() {
        do throws(ReactorError) {
          return try successor.receive(milliseconds: Takeover.step)
        } catch {
          if !error.isTimeout || System.uptime >= end { throw error }
        }
      }
      return nil
    }
  }
}
