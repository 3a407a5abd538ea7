import MCP
import Reactor
import Synchronization

/// Whom limits count as one client: a principal, wherever it comes from, or an address from which somebody comes of whom
/// nothing else is known.
enum Party: Hashable, Sendable {
  case principal(Principal)
  case address(ClientAddress)

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

/// Memory that is kept for clients until they, or their connections, are gone: what they listen for and subscribed to, and
/// what they said while an upstream's conversation opens.
/// Counted by party, so that none of them uses up what is there for all.
final class Holdings: Sendable {
  private let bytes = Mutex<[Party: Int]>([:])

  /// False, and nothing is counted, if the party would hold more than `limit`.
  func take(_ amount: Int, for party: Party, atMost limit: Int) -> Bool {
    bytes.withLock { bytes in
      let held = bytes[party] ?? 0
      guard held + amount <= limit else { return false }
      bytes[party] = held + amount
      return true
    }
  }

  func give(_ amount: Int, of party: Party) {
    bytes.withLock { bytes in
      guard let held = bytes[party] else { return }
      bytes[party] = held > amount ? held - amount : nil
    }
  }

  /// Bytes held for everybody.
  var total: Int { bytes.withLock { $0.values.reduce(0, +) } }
}

extension Worker {
  /// Takes memory that is kept for a party until `giveBack`, on account of that loop. Why not, if it can't be had.
  func take(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    guard !loop.isShedding else {
      return GatewayError(.overloaded, message: "the gateway is short of memory", retryAfterMilliseconds: 1000)
    }
    guard gateway.holdings.take(bytes, for: party, atMost: settings.partyMemory) else {
      return GatewayError(
        .overloaded,
        message: "as much of the gateway's memory is kept for this client as one may have",
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
