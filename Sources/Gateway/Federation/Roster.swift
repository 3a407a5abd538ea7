import Configuration
import Reactor

/// Makes clusters of configured servers. An alias keeps its number for as long as the gateway runs, however its server
/// changes; each cluster has an id of its own.
struct Roster {
  private var numbers: [String: Int] = [:]
  private var made = 0

  /// A server that could not be used at all.
  struct Fault: Error {
    let description: String
  }

  /// The clusters for a configuration, in its order: those of `known` that serve the same still, and new ones.
  mutating func clusters(
    for configuration: GatewayConfiguration, keeping known: [Cluster] = []
  ) throws(Fault) -> [Cluster] {
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

  /// Another cluster for the same server.
  mutating func face(of cluster: Cluster, isSecond: Bool) -> Cluster {
    made += 1
    return Cluster(faceOf: cluster, id: made, isSecond: isSecond)
  }

  private static let demonstration = "demo"

  private mutating func name(_ alias: String) -> Cluster.Name {
    let number = numbers[alias] ?? numbers.count
    numbers[alias] = number
    made += 1
    return Cluster.Name(number: number, id: made)
  }
}
