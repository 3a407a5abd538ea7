import Synchronization

/// Memory that is kept for clients until they, or their connections, are gone: what they listen for and subscribed to, what
/// they said while an upstream's conversation opens, and what they called with and are answered until it is whole. Counted
/// by party, so that none of them uses up what is there for all, and in all: it can't be taken back, so it must never come near the mark at which newcomers are refused.
public final class Holdings: Sendable {
  /// Bytes that one party may hold, and all of them together.
  public struct Bounds: Sendable {
    public var each: Int
    var all: Int
  }

  enum Admission: Equatable {
    case taken
    /// The party would hold more than one may.
    case tooMuch
    /// All parties together would.
    case full
  }

  private struct State {
    var bytes: [Party: Int] = [:]
    var total = 0
  }

  private let state = Mutex(State())

  /// Counts the bytes, unless they are too many.
  func take(_ amount: Int, for party: Party, within bounds: Bounds) -> Admission {
    state.withLock { state in
      let held = state.bytes[party] ?? 0
      guard held + amount <= bounds.each else { return .tooMuch }
      guard state.total + amount <= bounds.all else { return .full }
      state.bytes[party] = held + amount
      state.total += amount
      return .taken
    }
  }

  func give(_ amount: Int, of party: Party) {
    state.withLock { state in
      guard let held = state.bytes[party] else { return }
      state.bytes[party] = held > amount ? held - amount : nil
      state.total -= min(held, amount)
    }
  }

  /// Bytes held for everybody.
  var total: Int { state.withLock { $0.total } }
}
