import Synchronization

/// One request of the client that has not been answered.
final class ConnectExchange: Sendable {
  /// nil for a message that has no answer.
  let id: [UInt8]?
  let method: String
  let isModern: Bool
  /// Its answer is for the bridge itself.
  let isSilent: Bool
  private let state = Mutex(State())

  private struct State {
    var isAnswered = false
    var isCancelled = false
    var canceller: (@Sendable () -> Void)?
  }

  init(for message: ConnectMessage, isSilent: Bool = false) {
    id = message.id
    method = message.method
    isModern = message.modernVersion != nil
    self.isSilent = isSilent
  }

  var isAnswered: Bool { state.withLock { $0.isAnswered } }
  var isCancelled: Bool { state.withLock { $0.isCancelled } }

  func markAnswered() {
    state.withLock { $0.isAnswered = true }
  }

  /// Takes the connection that the exchange runs on.
  /// - Returns: whether the exchange is still wanted.
  func attach(_ canceller: @escaping @Sendable () -> Void) -> Bool {
    state.withLock {
      $0.canceller = canceller
      return !$0.isCancelled
    }
  }

  /// Lets go of the connection, which is closed then.
  func detach() {
    state.withLock { $0.canceller = nil }
  }

  /// Ends the exchange without an answer: closing the answer's stream is how 2026-07-28 cancels.
  func cancel() {
    state.withLock {
      $0.isCancelled = true
      $0.canceller?()
    }
  }
}
