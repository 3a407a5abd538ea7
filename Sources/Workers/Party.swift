import Reactor

/// Whom limits count as one client: a principal, wherever it comes from, or an address from which somebody comes of whom
/// nothing else is known. Beside them each upstream, for what is kept of it that no client asked for.
public enum Party: Hashable, Sendable {
  case principal(Principal)
  case address(ClientAddress)
  /// By the number of its server.
  case upstream(Int)

  public var principal: Principal { if case .principal(let principal) = self { principal } else { .anonymous } }
}
