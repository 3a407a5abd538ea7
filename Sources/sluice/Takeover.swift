import Configuration
import Lifecycle
import Logging
import Reactor

#if canImport(Glibc)
  import Glibc
#endif

/// How one gateway takes another's place without closing a listening socket: the new process connects to the Unix socket
/// of the running one and gets the sockets; once it serves it says so, and the old one drains. If it ends before that, or
/// shows no life, the old one goes on as if nothing had happened. ``TakeoverWord`` is what they say, ``HandoverState`` what
/// the old one does about it, ``SuccessorState`` the new one.
enum Takeover {
  /// Of what the two say to each other.
  static let version = 2
  /// The most aliases, of at most 32 bytes each, that fit into one word.
  static let mostServers = 400
  /// How long the other end may take to answer, in milliseconds.
  private static let patience: Int32 = 5000
  /// How often a gateway is looked for that is being replaced or ends, and how long in between, in milliseconds.
  private static let attempts = 50
  private static let pause: UInt32 = 100

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

  /// The running gateway, as the one knows it that takes its place.
  struct Predecessor {
    let socket: HandoverSocket
    let version: Int
    let sockets: [ListeningSocket]
    let process: Int32
    /// The servers that answer there; nil if it does not say.
    let servers: [String]?
  }

  /// Gets the sockets of the gateway at that path; nil if there is none. One that is replaced or ends while it is asked
  /// is not the last word: whoever has the path then is asked, and if that is nobody, there is nobody.
  /// - Parameter isOver: asked again and again, while a process is waited for that ends.
  static func begin(at path: String, _ logger: Logger, isOver: () -> Bool) throws(Failure) -> Predecessor? {
    var version = version
    for _ in 0..<attempts {
      let socket: HandoverSocket
      do throws(ReactorError) {
        socket = try HandoverSocket.connect(to: path)
      } catch {
        // Nobody listens there (any more).
        if access(path, F_OK) != 0 || error.isRefused { return nil }
        throw failure(at: path, nil, error)
      }
      var answer: HandoverSocket.Message?
      do throws(ReactorError) {
        try socket.send(TakeoverWord.hello(version).text)
        answer = try socket.receive(milliseconds: patience)
      } catch {
        guard error.isDisconnected else { throw failure(at: path, socket.peer, error) }
      }
      if let answer {
        if case .only(let spoken)? = TakeoverWord(answer.text), (1..<version).contains(spoken) {
          version = spoken
          continue
        }
        if case .ending? = TakeoverWord(answer.text) {
          logger.notice(
            "process \(socket.peer) at \(path) ends and hands nothing over: this one starts once it has ended")
          try wait(for: socket, isOver)
          continue
        }
        return try predecessor(at: path, answer, socket, version)
      }
      System.sleep(milliseconds: pause)
    }
    throw Failure(description: "the gateway at \(path) does not hand over its sockets")
  }

  /// Waits for the end of the process at the other end.
  private static func wait(for socket: HandoverSocket, _ isOver: () -> Bool) throws(Failure) {
    let process = socket.peer
    while true {
      guard !isOver() else { throw Failure(description: "ended while it waited for the end of process \(process)") }
      do throws(ReactorError) {
        guard try socket.receiveText(milliseconds: Int32(pause)) != nil else { break }
      } catch {
        guard error.isTimeout else { break }
      }
    }
    // Its other sockets are closed in the same moment, in whatever order.
    for _ in 0..<20 where kill(process, 0) == 0 { System.sleep(milliseconds: pause) }
  }

  private static func failure(at path: String, _ process: Int32?, _ error: ReactorError) -> Failure {
    guard error.isTimeout else {
      return Failure(description: "can't take over from the gateway at \(path): \(error)")
    }
    let name = process.map { "process \($0)" } ?? "the process"
    return Failure(
      description:
        "\(name) at \(path) does not answer within \(patience / 1000) s: it has been stopped, or is of an older version from which another process takes over; end what hangs and start this one again"
    )
  }

  private static func predecessor(
    at path: String, _ answer: HandoverSocket.Message, _ socket: HandoverSocket, _ version: Int
  ) throws(Failure) -> Predecessor {
    switch TakeoverWord(answer.text) {
    case .sockets(version, let listeners)? where listeners.count == answer.descriptors.count:
      let sockets = zip(listeners, answer.descriptors).map { ListeningSocket(listener: $0, descriptor: $1) }
      return Predecessor(
        socket: socket, version: version, sockets: sockets, process: socket.peer,
        servers: try servers(of: socket, at: path, version))
    case .busy(_, let process, let seconds)?:
      throw Failure(
        description:
          "process \(process) is taking over from process \(socket.peer) at \(path), and has been for \(seconds) s: start this one again when that one serves, or end that one first (kill \(process))"
      )
    default:
      throw Failure(description: "the gateway at \(path) does not hand over its sockets: \(answer.text)")
    }
  }

  /// The word follows at once; of version 1 it may never come.
  private static func servers(
    of socket: HandoverSocket, at path: String, _ version: Int
  ) throws(Failure) -> [String]? {
    let wait = version == 1 ? 500 : patience
    do throws(ReactorError) {
      if let text = try socket.receiveText(milliseconds: wait), case .serving(let servers)? = TakeoverWord(text) {
        return servers
      }
    } catch {
      if version > 1 { throw failure(at: path, socket.peer, error) }
    }
    return nil
  }
}
