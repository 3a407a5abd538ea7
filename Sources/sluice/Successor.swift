import Reactor

/// Talks to the process whose place this one takes, without ever waiting for it. On the main thread.
final class Successor {
  let process: Int32
  private var socket: HandoverSocket?
  private var state: SuccessorState
  /// Where what is known of sessions comes; the taker's to close.
  private var sessions: Int32?
  /// What the other one has not had room for yet.
  private var unsaid: [TakeoverWord] = []

  init(_ predecessor: Takeover.Predecessor) {
    process = predecessor.process
    socket = predecessor.socket
    state = SuccessorState(version: predecessor.version)
  }

  /// The descriptors to watch for being readable.
  var watched: [Int32] { socket.map { [$0.descriptor] } ?? [] }

  /// What is needed to serve is there.
  func met() -> [SuccessorState.Action] { spoken(state.met(at: System.uptime)) }

  /// Clients are let in.
  func opened() -> [SuccessorState.Action] { spoken(state.opened(at: System.uptime)) }

  /// Has nothing more to say.
  func end() {
    socket?.end()
    socket = nil
  }

  /// Where the other one tells what it knows of sessions; nil if it does not.
  func takeSessions() -> Int32? {
    defer { sessions = nil }
    return sessions
  }

  /// Hears what has been said, and acts on time that has passed.
  func look() -> [SuccessorState.Action] {
    let now = System.uptime
    var actions: [SuccessorState.Action] = []
    while let socket {
      do throws(ReactorError) {
        guard let message = try hear(socket) else {
          self.socket = nil
          actions += state.left()
          break
        }
        let word = TakeoverWord(message.text)
        keep(message.descriptors, word)
        actions += state.heard(word, at: now)
      } catch {
        if error.isTimeout { break }
        self.socket = nil
        actions += state.left()
      }
    }
    return spoken(actions + state.passed(at: now))
  }

  /// What was said before the other end went comes after the word that it has gone, if it left something of ours unread.
  private func hear(_ socket: HandoverSocket) throws(ReactorError) -> HandoverSocket.Message? {
    do throws(ReactorError) {
      return try socket.receive(milliseconds: 0)
    } catch {
      guard error.isDisconnected else { throw error }
      return try socket.receive(milliseconds: 0)
    }
  }

  /// One that comes with the word that lets this one serve; others are closed.
  private func keep(_ descriptors: [Int32], _ word: TakeoverWord?) {
    for descriptor in descriptors {
      if case .go? = word, sessions == nil { sessions = descriptor } else { System.closeDescriptor(descriptor) }
    }
  }

  /// Says what is to be said, and gives the rest.
  private func spoken(_ actions: [SuccessorState.Action]) -> [SuccessorState.Action] {
    var rest: [SuccessorState.Action] = []
    for action in actions {
      guard case .say(let word) = action else {
        rest.append(action)
        continue
      }
      // A sign of life is no news to who has not read the last one.
      if word != .waiting || unsaid.isEmpty { unsaid.append(word) }
    }
    while let socket, let word = unsaid.first {
      do throws(ReactorError) {
        try socket.send(word.text)
      } catch {
        // If it has gone, that is heard next.
        if error.isWait { break }
      }
      unsaid.removeFirst()
    }
    return rest
  }
}
