import MCP
import Reactor
import Synchronization

/// Whom limits count as one client: a principal, wherever it comes from, or an address from which somebody comes of whom
/// nothing else is known. Beside them each upstream, for what is kept of it that no client asked for.
enum Party: Hashable, Sendable {
  case principal(Principal)
  case address(ClientAddress)
  /// By the number of its server.
  case upstream(Int)

  var principal: Principal { if case .principal(let principal) = self { principal } else { .anonymous } }
}

extension Worker {
  /// To be asked while a request of the connection is in hand.
  func party(of connection: ConnectionID) -> Party {
    let principal = principal(of: connection)
    guard principal == .anonymous else { return .principal(principal) }
    return .address(clientAddress(of: connection)?.holder ?? ClientAddress(high: 0, low: 0))
  }
}

/// Memory that is kept for clients until they, or their connections, are gone: what they listen for and subscribed to, what
/// they said while an upstream's conversation opens, and what they called with and are answered until it is whole. Counted by party, so that none of them uses up what is there for
/// all, and in all: it can't be taken back, so it must never come near the mark at which newcomers are refused.
final class Holdings: Sendable {
  /// Bytes that one party may hold, and all of them together.
  struct Bounds: Sendable {
    var each: Int
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

extension Worker {
  /// Takes memory that is kept for a party until `giveBack`, on account of that loop. Why not, if it can't be had.
  func take(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    guard !loop.isShedding else {
      return GatewayError(.overloaded, message: "the gateway is short of memory", retryAfterMilliseconds: 1000)
    }
    guard takeMore(bytes, for: party, on: home) != nil else { return nil }
    giveUpRequests()
    return takeMore(bytes, for: party, on: home)
  }

  /// The same for what is under way, which goes on while nothing new is begun.
  func takeMore(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    switch gateway.holdings.take(bytes, for: party, within: settings.holdings) {
    case .taken: break
    case .tooMuch:
      return GatewayError(
        .overloaded,
        message: "as much of the gateway's memory is kept for this client as one may have",
        retryAfterMilliseconds: 10_000)
    case .full:
      return GatewayError(
        .overloaded,
        message: "as much of the gateway's memory is kept for all clients as they may have together",
        retryAfterMilliseconds: 10_000)
    }
    gateway.hold(bytes, on: home)
    return nil
  }

  func giveBack(_ bytes: Int, of party: Party, on home: Int) {
    guard bytes > 0 else { return }
    gateway.holdings.give(bytes, of: party)
    gateway.hold(-bytes, on: home)
  }
}
