import Clusters
import MCP

/// The gateway's own `subscriptions/listen` streams to one modern upstream: one for changes of lists, and those that ask for
/// resources. Lives on the control loop.
final class ModernListenSet {
  /// What tells of changes of lists.
  private(set) var lists: RequestID?
  var set = ListenSet()
  var resources: [ListenSet.Number: RequestID] = [:]
  /// Updates that came on listens that others have replaced, and those that came on the others in the meantime.
  var stragglers: [ListenSet.Number: [[UInt8]]] = [:]
  var recent: [[UInt8]] = []

  var isOpen: Bool { lists != nil || !resources.isEmpty }

  func opened(_ listen: RequestID?, for purpose: ListenPurpose) {
    switch purpose {
    case .lists: lists = listen
    case .resources(let number, _): resources[number] = listen
    }
  }
}

/// What a listen asks for.
enum ListenPurpose {
  case lists(ListKinds)
  case resources(ListenSet.Number, [[UInt8]])

  var filter: ListenFilter {
    switch self {
    case .lists(let kinds): ListenFilter(kinds: kinds, resources: [])
    case .resources(_, let uris): ListenFilter(kinds: [], resources: uris)
    }
  }
}
