import Configuration
import Routing
import Synchronization

/// The endpoints of a cluster at one time, with the ring that they make: never changed, replaced whole.
public final class EndpointSet: Sendable {
  /// By index, those that have left too until another takes their place: nothing new goes to those.
  public let all: [UpstreamEndpoint]
  /// Those that calls go to: at least one.
  public let members: [UpstreamEndpoint]
  let ring: Ring
  /// Which of the members a call goes to; each worker makes a choice of its own of it.
  public let algorithm: EndpointChoice.Algorithm
  /// How often there was another set before.
  public let generation: UInt64

  init(
    _ members: [UpstreamEndpoint], of all: [UpstreamEndpoint], _ routing: GatewayConfiguration.Routing,
    generation: UInt64 = 0
  ) {
    self.all = all
    self.members = members
    self.generation = generation
    // With one there is no choice, unless there may come to be more.
    guard members.count > 1 else {
      (ring, algorithm) = (Ring([]), .roundRobin(weights: [1]))
      return
    }
    let weights = members.map(\.weight)
    ring = Ring(
      members.map { Ring.Member(identity: $0.identity, weight: $0.weight) }, virtualNodes: routing.virtualNodes)
    algorithm =
      switch routing.algorithm {
      case .consistentHash: .consistentHash(ring)
      case .leastRequest: .leastRequest(weights: weights)
      case .roundRobin: .roundRobin(weights: weights)
      }
  }

  /// Where somebody's calls belong, by how the endpoints fare.
  func home(of key: RoutingKey, now: UInt64) -> Int {
    members.count > 1 ? home(of: key, on: ring, now: now) : members[0].index
  }

  private func home(of key: RoutingKey, on ring: Ring, now: UInt64) -> Int {
    var ejected: Int?
    var walk = ring.walk(from: key)
    while let place = walk.next() {
      switch members[place].standing.condition(now: now).standing {
      case .usable: return members[place].index
      case .ejected: ejected = ejected ?? members[place].index
      case .down: continue
      }
    }
    return ejected ?? members[ring.member(of: key) ?? 0].index
  }
}

/// The endpoints of a server whose names may come to lead elsewhere (`resolve: all`), as all workers see them. The faces of
/// a server have the same. The control loop alone changes them.
public final class ChangingEndpoints: Sendable {
  private let now: Mutex<EndpointSet>
  private let generationWord = Atomic<UInt64>(0)
  private let routing: GatewayConfiguration.Routing

  init(_ first: EndpointSet, _ routing: GatewayConfiguration.Routing) {
    now = Mutex(first)
    self.routing = routing
  }

  public var current: EndpointSet { now.withLock { $0 } }

  /// That of the set that holds now: workers look at it with each choice.
  public var generation: UInt64 { generationWord.load(ordering: .acquiring) }

  /// Goes over to other members, of which each has an index of its own.
  /// - Parameter members: at least one.
  public func replace(members: [UpstreamEndpoint]) {
    let former = current
    var all = former.all
    for member in members.sorted(by: { $0.index < $1.index }) {
      // What nobody has had yet stands for nothing.
      while all.count <= member.index { all.append(former.all[0]) }
      all[member.index] = member
    }
    let next = EndpointSet(members, of: all, routing, generation: former.generation + 1)
    now.withLock { $0 = next }
    generationWord.store(next.generation, ordering: .releasing)
  }
}
