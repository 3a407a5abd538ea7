import MCP
import Reactor
import Wire

/// The gateway's own `subscriptions/listen` streams to one modern upstream: one for changes of lists, and those that ask for
/// resources. Lives on the control loop.
final class OwnListens {
  /// What tells of changes of lists.
  fileprivate var lists: RequestID?
  fileprivate var set = ListenSet()
  fileprivate var resources: [ListenSet.Number: RequestID] = [:]
  /// Updates that came on listens that others have replaced, and those that came on the others in the meantime.
  fileprivate var stragglers: [ListenSet.Number: [[UInt8]]] = [:]
  fileprivate var recent: [[UInt8]] = []

  var isOpen: Bool { lists != nil || !resources.isEmpty }

  fileprivate func opened(_ listen: RequestID?, for purpose: ListenPurpose) {
    switch purpose {
    case .lists: lists = listen
    case .resources(let number, _): resources[number] = listen
    }
  }
}

/// What a listen asks for.
private enum ListenPurpose {
  case lists(ListKinds)
  case resources(ListenSet.Number, [[UInt8]])

  var filter: ListenFilter {
    switch self {
    case .lists(let kinds): ListenFilter(kinds: kinds, resources: [])
    case .resources(_, let uris): ListenFilter(kinds: [], resources: uris)
    }
  }
}

extension ControlPlane {
  /// How long what comes on a listen that another has replaced is compared with what comes on that one.
  private static var overlap: UInt64 { 100 }

  func beginListens(_ supervisor: Supervisor, _ profile: Cluster.Profile, _ wanted: Interests.Changes) async {
    let offered = profile.offer.capabilities
    let all: ListKinds = [.tools, .prompts, .resources, .templates]
    let kinds = ListenFilter(kinds: all, resources: []).honoured(by: offered).kinds
    if !kinds.isEmpty { _ = await open(.lists(kinds), supervisor, profile) }
    guard offered.contains(.resourcesSubscribe) else { return }
    await settleListens(supervisor, profile, wanted)
  }

  /// Has the upstream asked for what is wanted now.
  func settleListens(_ supervisor: Supervisor, _ profile: Cluster.Profile, _ changes: Interests.Changes) async {
    let listens = supervisor.listens
    let refused = listens.set.refused.count
    var change = listens.set.settle(changes)
    var wasRefused = true
    while wasRefused {
      wasRefused = false
      for number in change.ended { end(number, listens) }
      for (number, uris) in change.opened {
        let opening = await open(.resources(number, uris), supervisor, profile)
        // Another stream may have ended meanwhile, and all of them with it.
        guard supervisor.listens === listens else { return }
        guard opening == .refused else { continue }
        listens.set.refuse(number)
        wasRefused = true
      }
      for number in change.replaced { replace(number, listens, supervisor) }
      // What was refused is asked for in smaller portions.
      if wasRefused { change = listens.set.settle(Interests.Changes()) }
    }
    guard listens.set.refused.count != refused else { return }
    gateway.interests.refuse(supervisor.cluster.number, listens.set.refused)
  }

  func endListens(_ supervisor: Supervisor) {
    let listens = supervisor.listens
    supervisor.listens = OwnListens()
    if let lists = listens.lists { end(listen: lists) }
    for listen in listens.resources.values { end(listen: listen) }
  }

  private func end(_ number: ListenSet.Number, _ listens: OwnListens) {
    listens.set.end(number)
    if let listen = listens.resources.removeValue(forKey: number) { end(listen: listen) }
  }

  private func end(listen: RequestID) {
    worker.upstream.requests.withdraw(listen, reason: "another listen takes its place")
  }

  // MARK: Replacing

  /// Another listen tells of the same by now. What was on its way here is waited for, and told unless it came there too.
  private func replace(_ number: ListenSet.Number, _ listens: OwnListens, _ supervisor: Supervisor) {
    listens.set.end(number)
    listens.stragglers[number] = []
    worker.after(milliseconds: Self.overlap) { [weak supervisor, worker] in
      guard let supervisor, supervisor.listens === listens else { return }
      if let listen = listens.resources.removeValue(forKey: number) { self.end(listen: listen) }
      for message in listens.stragglers.removeValue(forKey: number) ?? [] {
        if let place = listens.recent.firstIndex(of: message) {
          listens.recent.remove(at: place)
          continue
        }
        let scanner = EnvelopeScanner()
        worker.resourceUpdated(supervisor.cluster, scanner.scan(message.rawBytes), nil)
      }
      if listens.stragglers.isEmpty { listens.recent = [] }
    }
  }

  /// A change of a resource came on that listen.
  private func updated(_ envelope: Envelope, on number: ListenSet.Number, _ supervisor: Supervisor) {
    let listens = supervisor.listens
    guard let token = envelope.value(Param.uri), let uri = JSON.bytes(token) else { return }
    if listens.stragglers[number] != nil {
      listens.stragglers[number]?.append(Self.withoutID(envelope))
      return
    }
    guard listens.set.isTold(uri, by: number) else { return }
    if !listens.stragglers.isEmpty { listens.recent.append(Self.withoutID(envelope)) }
    worker.resourceUpdated(supervisor.cluster, envelope, nil)
  }

  /// The notification without the id of its listen, which is all that differs between two.
  private static func withoutID(_ envelope: Envelope) -> [UInt8] {
    var splice = Splice()
    var message = ByteBuffer(capacity: envelope.message.byteCount)
    let hop = Hop(.notifyResourcesUpdated, client: .newest, upstream: .newest)
    guard ServerTranslation.notification(envelope, hop, splice: &splice),
      splice.write(envelope.message, into: &message)
    else { return envelope.message.array }
    return message.bytes.array
  }

  // MARK: Opening

  private enum Opening {
    case acknowledged
    case refused
    /// It may still be acknowledged; or the connection failed.
    case unanswered
  }

  /// Returns once the upstream has acknowledged a listen, refused it, or taken too long.
  private func open(
    _ purpose: ListenPurpose, _ supervisor: Supervisor, _ profile: Cluster.Profile
  ) async -> Opening {
    var members = ByteBuffer(capacity: 256)
    members.append("\"notifications\":")
    members.append(purpose.filter)
    let request = members.bytes.array
    let listens = supervisor.listens
    return await withCheckedContinuation { continuation in
      let gathering = Gathering(1)
      let call = LocalCall { [weak supervisor] outcome in
        let isNew = gathering.arrive()
        let mayAgain = Self.mayListenAgain(outcome)
        listens.opened(nil, for: purpose)
        if isNew { continuation.resume(returning: mayAgain ? .unanswered : .refused) }
        // Of those of the moment the end is news; a refusal is for good.
        guard let supervisor, supervisor.listens === listens, mayAgain || !isNew else { return }
        self.endListens(supervisor)
        if mayAgain { self.listenAgain(supervisor) }
      }
      call.onNotification = { [weak supervisor, worker] message in
        guard let supervisor, supervisor.listens === listens else { return }
        let scanner = EnvelopeScanner()
        let envelope = scanner.scan(message.rawBytes)
        switch envelope.method {
        case .notifySubscriptionsAcknowledged:
          if case .resources(let number, _) = purpose { listens.set.acknowledged(number) }
          if gathering.arrive() { return continuation.resume(returning: .acknowledged) }
          // It came too late to be waited for: what changed before it was not told.
          switch purpose {
          case .lists(let kinds): worker.listsMayHaveChanged(supervisor.cluster, kinds)
          case .resources(_, let uris): self.makeUpForSilence(supervisor, uris)
          }
        case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
          worker.listChanged(supervisor.cluster, envelope.method, nil)
        case .notifyResourcesUpdated:
          if case .resources(let number, _) = purpose { self.updated(envelope, on: number, supervisor) }
        default:
          break
        }
      }
      let listen = worker.upstream.messages.ask(
        supervisor.cluster, profile, supervisor.binding, .subscriptionsListen, members: request, timeout: nil, call)
      if let listen, worker.upstream.requests.contains(listen) { listens.opened(listen, for: purpose) }
      worker.after(milliseconds: Self.acknowledgementTime) {
        if gathering.expire() { continuation.resume(returning: .unanswered) }
      }
    }
  }

  private static func mayListenAgain(_ outcome: LocalCall.Outcome) -> Bool {
    switch outcome {
    case .failed: return true
    case .status(let refusal, _): return refusal.status == 429 || refusal.status >= 500
    case .message(let bytes, _, _):
      let scanner = EnvelopeScanner()
      return scanner.scan(bytes.rawBytes).kind == .result
    }
  }
}
