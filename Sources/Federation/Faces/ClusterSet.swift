import Clusters
import Configuration
import Reactor
import Workers

/// The clusters that are served, in the order of configuration, and those that take another's place as soon as they have
/// answered. An alias keeps its number for as long as the gateway runs, however its server changes; each cluster has an id of
/// its own.
public final class ClusterSet: @unchecked Sendable {  // touched on the control loop alone once that runs
  public private(set) var served: [Cluster] = []
  /// By the number that both have.
  private(set) var successors: [Int: Cluster] = [:]
  private var numbers: [String: Int] = [:]
  private var made = 0

  /// A server that could not be used at all.
  public struct Fault: Error {
    public let description: String
  }

  /// What another configuration did to the servers.
  public struct Change: Sendable {
    /// By alias.
    var added: [String] = []
    var removed: [String] = []
    var changed: [String] = []
    /// What is to be supervised now, in the order of configuration.
    var wanted: [Cluster] = []
    /// What serves no more.
    var left: [Cluster] = []

    public var text: String {
      let parts = [("added", added), ("removed", removed), ("changed", changed)].compactMap { what, aliases in
        aliases.isEmpty ? nil : "\(what) \(aliases.joined(separator: ", "))"
      }
      return parts.isEmpty ? "the servers are the same" : parts.joined(separator: "; ")
    }
  }

  init() {}

  public convenience init(_ configuration: GatewayConfiguration) throws(Fault) {
    self.init()
    served = try clusters(for: configuration)
  }

  /// Goes over to another configuration, or changes nothing. A server that changed is served as it was until what takes its
  /// place has answered.
  func adopt(_ configuration: GatewayConfiguration) throws(Fault) -> Change {
    var change = Change()
    change.wanted = try clusters(for: configuration, keeping: served + successors.values)
    var next: [Cluster] = []
    for cluster in change.wanted {
      let serving = self.serving(cluster.number)
      if let successor = successors[cluster.number], successor !== cluster {
        successors[cluster.number] = nil
        change.left.append(successor)
      }
      guard let serving else {
        change.added.append(cluster.alias)
        next.append(cluster)
        continue
      }
      guard serving !== cluster else {
        next.append(cluster)
        continue
      }
      if successors[cluster.number] == nil { change.changed.append(cluster.alias) }
      if serving.profile == nil {
        // Nobody could call it yet.
        next.append(cluster)
        change.left.append(serving)
      } else {
        next.append(serving)
        successors[cluster.number] = cluster
      }
    }
    for cluster in served where !change.wanted.contains(where: { $0.number == cluster.number }) {
      change.removed.append(cluster.alias)
      change.left.append(cluster)
      if let successor = successors.removeValue(forKey: cluster.number) { change.left.append(successor) }
    }
    served = next
    return change
  }

  /// The clusters for a configuration, in its order: those of `known` that serve the same still, and new ones.
  func clusters(for configuration: GatewayConfiguration, keeping known: [Cluster] = []) throws(Fault) -> [Cluster] {
    let connectTimeout = UInt32(clamping: configuration.limits.connectTimeout.milliseconds)
    guard !configuration.servers.isEmpty else {
      return [known.first(where: \.isEmbedded) ?? Cluster(embedded: Self.demonstration, name(Self.demonstration))]
    }
    var clusters: [Cluster] = []
    for server in configuration.servers {
      if let same = known.first(where: { $0.serves(server, connectTimeout: connectTimeout) }) {
        clusters.append(same)
        continue
      }
      do {
        clusters.append(try Cluster(name(server.alias), server: server, connectTimeout: connectTimeout))
      } catch {
        throw Fault(description: "\(server.position): \(server.alias): \(error)")
      }
    }
    return clusters
  }

  func serving(_ number: Int) -> Cluster? { served.first { $0.number == number } }

  func serves(_ cluster: Cluster) -> Bool { served.contains { $0 === cluster } }

  func isSuccessor(_ cluster: Cluster) -> Bool { successors[cluster.number] === cluster }

  // MARK: Succession

  /// Another cluster for the same server.
  func face(of cluster: Cluster, isSecond: Bool) -> Cluster {
    made += 1
    return Cluster(faceOf: cluster, id: made, isSecond: isSecond)
  }

  /// Another cluster for the same server that takes its place once it has answered; nil where there is one already.
  func successor(of cluster: Cluster) -> Cluster? {
    guard successors[cluster.number] == nil, serves(cluster) else { return nil }
    let next = face(of: cluster, isSecond: false)
    successors[cluster.number] = next
    return next
  }

  /// The cluster whose place a successor is to take, where that is the same server as it was known until now.
  func formerFace(for successor: Cluster) -> Cluster? {
    guard isSuccessor(successor), successor.stakeID != successor.id else { return nil }
    return served.first { $0.number == successor.number && $0.stakeID == successor.stakeID }
  }

  func giveUp(_ successor: Cluster) { if isSuccessor(successor) { successors[successor.number] = nil } }

  /// A successor takes its place; gives the cluster that had it.
  func promote(_ successor: Cluster) -> Cluster? {
    guard isSuccessor(successor), let place = served.firstIndex(where: { $0.number == successor.number }) else {
      return nil
    }
    successors[successor.number] = nil
    defer { served[place] = successor }
    return served[place]
  }

  private static let demonstration = "demo"

  private func name(_ alias: String) -> Cluster.Name {
    let number = numbers[alias] ?? numbers.count
    numbers[alias] = number
    made += 1
    return Cluster.Name(number: number, id: made)
  }
}
