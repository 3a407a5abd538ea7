import Wire

/// Which endpoint of a cluster a call goes to (`routing.algorithm`). Each worker has one of its own for each cluster; a
/// choice takes no memory and touches no reference count.
public struct EndpointChoice: Sendable {
  public enum Algorithm: Sendable {
    /// Calls of one key meet the same endpoint, as long as it is there and has not much more to do than others.
    case consistentHash(Ring)
    /// The less loaded of two that are drawn.
    case leastRequest(weights: [Int])
    /// In turn.
    case roundRobin(weights: [Int])
  }

  private enum Kind { case consistentHash, leastRequest, roundRobin }

  private let kind: Kind
  private let hashed: BoundedRing
  private var least: LeastRequest
  private var turns: RoundRobin
  /// For calls without a key.
  private var random: SplitMix

  /// - Parameter seed: another for each worker. What is drawn follows from it; where keys belong does not.
  public init(_ algorithm: Algorithm, seed: UInt64) {
    var (ring, drawn, taken) = (Ring([]), [Int](), [Int]())
    switch algorithm {
    case .consistentHash(let given): (kind, ring) = (.consistentHash, given)
    case .leastRequest(let weights): (kind, drawn) = (.leastRequest, weights.map(Ring.bounded))
    case .roundRobin(let weights): (kind, taken) = (.roundRobin, weights.map(Ring.bounded))
    }
    hashed = BoundedRing(ring: ring)
    least = LeastRequest(weights: drawn, seed: seed)
    turns = RoundRobin(weights: taken, seed: seed)
    random = SplitMix(state: seed)
  }

  /// Where a call goes. Where nobody is usable it goes to an ejected endpoint: that one answers worse than others did,
  /// but may answer. Nil if there is no such one either.
  ///
  /// - Parameters:
  ///   - key: what consistent hashing goes by. Without one, a call goes anywhere.
  ///   - state: how an endpoint is, by its place among those that were given; some are asked for twice.
  @inline(__always)
  public mutating func choose(key: RoutingKey?, state: (Int) -> EndpointCondition) -> Int? {
    switch kind {
    case .consistentHash:
      return hashed.choose(key: key ?? RoutingKey(value: random.next()), state: state)
    case .leastRequest:
      return least.choose(taking: .usable, state: state) ?? least.choose(taking: .ejected, state: state)
    case .roundRobin:
      return turns.choose(taking: .usable, state: state) ?? turns.choose(taking: .ejected, state: state)
    }
  }
}
