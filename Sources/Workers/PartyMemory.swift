import MCP
import Reactor

/// What a worker may keep for a party: counted among what all workers keep for it, and on account of a loop.
public final class PartyMemory {
  private let loop: EventLoop
  private let group: WorkerGroup
  /// Of the settings.
  var bounds: Holdings.Bounds
  /// Gives up what can be done without; set once, by the part that keeps such things.
  public var makeRoom: (() -> Void)?

  init(loop: EventLoop, group: WorkerGroup, bounds: Holdings.Bounds) {
    self.loop = loop
    self.group = group
    self.bounds = bounds
  }

  /// Takes memory that is kept for a party until `giveBack`, on account of that loop. Why not, if it can't be had.
  public func take(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    guard !loop.isShedding else {
      return .shortOfMemory
    }
    guard takeMore(bytes, for: party, on: home) != nil else { return nil }
    makeRoom?()
    return takeMore(bytes, for: party, on: home)
  }

  /// The same for what is under way, which goes on while nothing new is begun.
  public func takeMore(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    switch group.holdings.take(bytes, for: party, within: bounds) {
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
    group.hold(bytes, on: home)
    return nil
  }

  public func giveBack(_ bytes: Int, of party: Party, on home: Int) {
    guard bytes > 0 else { return }
    group.holdings.give(bytes, of: party)
    group.hold(-bytes, on: home)
  }
}

extension GatewayError {
  public static var shortOfMemory: GatewayError {
    GatewayError(.overloaded, message: "the gateway is short of memory", retryAfterMilliseconds: 1000)
  }
}
