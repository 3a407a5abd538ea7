import MCP
import Synchronization

/// A conversation of the gateway with one upstream, on behalf of everybody, of a principal or of one client session,
/// as the upstream's `isolation` has it. Opened lazily, by the first worker that needs it; the others wait.
final class UpstreamSession: Sendable {
  /// What an open conversation is.
  struct Open: Sendable {
    var revision: Revision
    /// `Mcp-Session-Id` on Streamable HTTP; empty if the server runs without sessions.
    var httpSession: [UInt8]
    /// The worker's link that carries it, for children and HTTP+SSE.
    var link: LinkReference?
  }

  /// An exchange that waits for the conversation to open.
  struct Waiter: Sendable {
    var worker: Int
    var exchange: ExchangeID
  }

  enum Access {
    case open(Open)
    /// Somebody else opens it: the waiter will be called.
    case waiting
    /// The caller opens it, and then calls `opened` or `failed`.
    case yours
  }

  private enum State {
    case idle
    case opening([Waiter])
    case open(Open)
    case closed
  }

  let cluster: Cluster
  /// The client session it belongs to, with `isolation: session`.
  let owner: SessionReference?
  /// What is declared to the upstream: a client's capabilities, within what the gateway relays.
  let abilities: ClientCapabilities
  private let state = Mutex<State>(.idle)

  init(cluster: Cluster, owner: SessionReference?, abilities: ClientCapabilities) {
    self.cluster = cluster
    self.owner = owner
    self.abilities = abilities.intersection(.relayable)
  }

  /// The conversation if it is open; else the caller waits or is asked to open it.
  func access(_ waiter: Waiter) -> Access {
    state.withLock { state in
      switch state {
      case .open(let open): return .open(open)
      case .opening(var waiters):
        waiters.append(waiter)
        state = .opening(waiters)
        return .waiting
      case .idle, .closed:
        state = .opening([waiter])
        return .yours
      }
    }
  }

  var current: Open? {
    state.withLock { if case .open(let open) = $0 { open } else { nil } }
  }

  /// It is open: the waiters may go on.
  func opened(_ open: Open) -> [Waiter] {
    finish(.open(open))
  }

  /// It could not be opened: the waiters get the error, and the next caller tries again.
  func failed() -> [Waiter] {
    finish(.idle)
  }

  /// The upstream ended it (404, a dead child): the next caller opens a new one. Only if it still is the one that
  /// the caller saw. True for the first who says so.
  func lost(_ seen: Open) -> Bool {
    state.withLock { state in
      guard case .open(let open) = state, open.httpSession == seen.httpSession, open.link == seen.link else {
        return false
      }
      state = .idle
      return true
    }
  }

  /// It is of no use any more though nobody has noticed: what was open is to be ended, the next caller opens a new one.
  func takeOpen() -> Open? {
    state.withLock { state in
      guard case .open(let open) = state else { return nil }
      state = .idle
      return open
    }
  }

  /// Nobody needs it any more. What was open is to be ended.
  func close() -> Open? {
    state.withLock { state in
      defer { state = .closed }
      if case .open(let open) = state { return open }
      return nil
    }
  }

  private func finish(_ next: State) -> [Waiter] {
    state.withLock { state in
      guard case .opening(let waiters) = state else { return [] }
      state = next
      return waiters
    }
  }
}

/// Names a link of one worker.
struct LinkReference: Sendable, Equatable, Hashable {
  var worker: Int
  var number: UInt32
}
