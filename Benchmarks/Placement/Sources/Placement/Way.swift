import Endpoints
import Wire

/// A way to place keys.
enum Way: String, CaseIterable {
  case ring, rendezvous

  func placement(_ members: [Ring.Member]) -> Placement {
    switch self {
    case .ring: .ring(Ring(members))
    case .rendezvous: .rendezvous(Rendezvous(members))
    }
  }
}

/// Where keys belong, one way or the other.
enum Placement {
  case ring(Ring)
  case rendezvous(Rendezvous)

  var byteCount: Int {
    switch self {
    case .ring(let ring): ring.byteCount
    case .rendezvous(let rendezvous): rendezvous.byteCount
    }
  }

  func homes(_ keys: [RoutingKey]) -> [UInt16] {
    switch self {
    case .ring(let ring): keys.map { UInt16(ring.member(of: $0)!) }
    case .rendezvous(let rendezvous): keys.map { UInt16(rendezvous.member(of: $0)!) }
    }
  }

  /// Looks all of them up and nothing else.
  func lookUp(_ keys: [RoutingKey]) -> Int {
    switch self {
    case .ring(let ring): keys.reduce(0) { $0 &+ ring.member(of: $1)! }
    case .rendezvous(let rendezvous): keys.reduce(0) { $0 &+ rendezvous.member(of: $1)! }
    }
  }

  /// The same with loads, which are compared with the bound.
  func choose(_ keys: [RoutingKey], _ conditions: [EndpointCondition]) -> Int {
    switch self {
    case .ring(let ring):
      var choice = EndpointChoice(.consistentHash(ring), seed: 1)
      return keys.reduce(0) { $0 &+ choice.choose(key: $1) { conditions[$0] }! }
    case .rendezvous(let rendezvous):
      return keys.reduce(0) { $0 &+ rendezvous.choose(key: $1) { conditions[$0] }! }
    }
  }
}
