import Lifecycle
import Logging
import Reactor

/// Talks to those who want to take this process's place, without ever waiting for one of them. On the main thread.
final class Handover {
  /// What a successor gets.
  struct Offer {
    var sockets: [ListeningSocket]
    /// The servers that answer here.
    var servers: [String]
  }

  /// How long a successor may take to have the path for itself, in milliseconds.
  private static let publishTime: Int32 = 1000

  /// What is known of sessions, for a successor.
  struct Sessions {
    /// Begins to tell it: gives the descriptor that it is to have.
    var bequeath: () -> Int32?
    /// There is no successor any more.
    var keep: () -> Void
  }

  private let host: Takeover.Host
  private let sessions: Sessions
  private let logger: Logger
  private var state = HandoverState()
  private var connections: [Int32: HandoverSocket] = [:]
  /// Who serves by now.
  private var heir: HandoverSocket?

  init(_ host: Takeover.Host, _ sessions: Sessions, _ logger: Logger) {
    self.host = host
    self.sessions = sessions
    self.logger = logger
  }

  /// The descriptors to watch for being readable.
  var watched: [Int32] {
    Array(connections.keys) + (state.accepts(at: System.uptime) ? [host.descriptor] : [])
  }

  /// How long they may be watched at once, in milliseconds; -1: for ever.
  var patience: Int32 {
    let now = System.uptime
    guard let deadline = state.deadline(at: now) else { return -1 }
    return deadline > now ? Int32(clamping: deadline - now) : 0
  }

  /// Acts on what these descriptors bring, and on time that has passed.
  /// - Returns: whether a successor serves, which waits for `confirm` then.
  func act(on readable: [Int32], _ offer: () -> Offer) -> Bool {
    for descriptor in readable where descriptor != host.descriptor { perform(hear(descriptor), offer) }
    if readable.contains(host.descriptor) { perform(accept(), offer) }
    let now = System.uptime
    if let deadline = state.deadline(at: now), now >= deadline {
      // If it is this process that was stopped, what was said meanwhile waits.
      for descriptor in connections.keys { perform(hear(descriptor), offer) }
      perform(state.passed(at: now), offer)
    }
    return heir != nil
  }

  /// Leaves the rest to the successor: tells it so, and waits until whoever wants to take over finds it.
  func confirm() {
    guard let heir else { return }
    try? heir.send(TakeoverWord.done.text)
    _ = try? heir.receiveText(milliseconds: Self.publishTime)
    self.heir = nil
  }

  /// Talks to nobody any more: who waits for an answer looks who has the path then.
  func end() {
    connections = [:]
    host.withdraw()
  }

  /// This process ends, and nobody serves in its place.
  func ends() { perform(state.ends()) { Offer(sockets: [], servers: []) } }

  /// Tells who has come meanwhile that it ends.
  func glance() { _ = act(on: watched) { Offer(sockets: [], servers: []) } }

  private func accept() -> [HandoverState.Action] {
    do throws(ReactorError) {
      guard let socket = try host.accept() else { return [] }
      connections[socket.descriptor] = socket
      return state.connected(socket.descriptor, process: socket.peer, at: System.uptime)
    } catch {
      if error.isDenied { return state.refused(at: System.uptime) }
      return state.acceptFailed("\(error)", at: System.uptime)
    }
  }

  private func hear(_ descriptor: Int32) -> [HandoverState.Action] {
    guard let socket = connections[descriptor] else { return [] }
    do throws(ReactorError) {
      guard let text = try receive(from: socket) else { return state.left(descriptor) }
      return state.heard(TakeoverWord(text), on: descriptor, at: System.uptime)
    } catch {
      if error.isTimeout { return [] }
      if error.isDisconnected { return state.left(descriptor) }
      // What does not fit is no word.
      return state.heard(nil, on: descriptor, at: System.uptime)
    }
  }

  /// What was said before the other end went comes after the word that it has gone, if it left something of ours unread.
  private func receive(from socket: HandoverSocket) throws(ReactorError) -> String? {
    do throws(ReactorError) {
      return try socket.receiveText(milliseconds: 0)
    } catch {
      guard error.isDisconnected else { throw error }
      return try socket.receiveText(milliseconds: 0)
    }
  }

  private func perform(_ actions: [HandoverState.Action], _ offer: () -> Offer) {
    for action in actions {
      switch action {
      // Who does not read, or is gone, is noticed by its silence or its end.
      case .say(let word, let connection): try? connections[connection]?.send(word.text)
      case .handOver(let connection, let version): handOver(offer(), to: connection, version, offer)
      case .close(let connection): connections[connection] = nil
      case .letServe(let connection): letServe(connection, offer)
      case .keepSessions: sessions.keep()
      case .inform(let line): logger.info("\(line)")
      case .warn(let line): logger.warning("\(line)")
      case .lookForHeir(let connection):
        perform(host.isReplaced ? state.serves(connection) : state.left(connection), offer)
      case .complete(let connection): heir = connections.removeValue(forKey: connection)
      }
    }
  }

  private func letServe(_ connection: Int32, _ offer: () -> Offer) {
    let descriptor = sessions.bequeath()
    defer { if let descriptor { System.closeDescriptor(descriptor) } }
    do throws(ReactorError) {
      try connections[connection]?.send(TakeoverWord.go.text, descriptor.map { [$0] } ?? [])
    } catch {
      perform(state.unreachable(connection, isGone: error.isDisconnected, why: "\(error)"), offer)
    }
  }

  private func handOver(_ offered: Offer, to connection: Int32, _ version: Int, _ offer: () -> Offer) {
    do throws(ReactorError) {
      let sockets = TakeoverWord.sockets(version, offered.sockets.map(\.listener))
      try connections[connection]?.send(sockets.text, offered.sockets.map(\.descriptor))
      try connections[connection]?.send(TakeoverWord.serving(Array(offered.servers.prefix(Takeover.mostServers))).text)
    } catch {
      perform(state.unreachable(connection, isGone: error.isDisconnected, why: "\(error)"), offer)
    }
  }
}
