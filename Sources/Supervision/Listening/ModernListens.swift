import Clusters
import MCP
import Reactor
import Sessions
import Translation
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// Opens and ends the gateway's own `subscriptions/listen` streams to modern upstreams.
final class ModernListens: @unchecked Sendable {  // touched on the control loop alone
  /// How long an upstream may take to acknowledge a listen, or to take note of a subscription.
  static let acknowledgementTime: UInt64 = 2000
  /// How long what comes on a listen that another has replaced is compared with what comes on that one.
  private static let overlap: UInt64 = 100

  private let loop: ControlLoop
  private let restart: ListenRestart
  weak var delegate: (any SupervisionDelegate)?

  init(_ loop: ControlLoop, _ restart: ListenRestart) {
    self.loop = loop
    self.restart = restart
  }

  func begin(_ supervised: SupervisedCluster, _ profile: Cluster.Profile, _ wanted: Interests.Changes) async {
    let offered = profile.offer.capabilities
    let all: ListKinds = [.tools, .prompts, .resources, .templates]
    let kinds = ListenFilter(kinds: all, resources: []).honoured(by: offered).kinds
    if !kinds.isEmpty { _ = await open(.lists(kinds), supervised, profile) }
    guard offered.contains(.resourcesSubscribe) else { return }
    await settle(supervised, profile, wanted)
  }

  /// Has the upstream asked for what is wanted now.
  func settle(_ supervised: SupervisedCluster, _ profile: Cluster.Profile, _ changes: Interests.Changes) async {
    let listens = supervised.listening.listens
    let refused = listens.set.refused.count
    var change = listens.set.settle(changes)
    var wasRefused = true
    while wasRefused {
      wasRefused = false
      for number in change.ended { end(number, listens) }
      for (number, uris) in change.opened {
        let opening = await open(.resources(number, uris), supervised, profile)
        // Another stream may have ended meanwhile, and all of them with it.
        guard supervised.listening.listens === listens else { return }
        guard opening == .refused else { continue }
        listens.set.refuse(number)
        wasRefused = true
      }
      for number in change.replaced { replace(number, listens, supervised) }
      // What was refused is asked for in smaller portions.
      if wasRefused { change = listens.set.settle(Interests.Changes()) }
    }
    guard listens.set.refused.count != refused else { return }
    loop.sessions.interests.refuse(supervised.cluster.number, listens.set.refused)
  }

  func endAll(_ supervised: SupervisedCluster) {
    let listens = supervised.listening.listens
    supervised.listening.listens = ModernListenSet()
    if let lists = listens.lists { end(listen: lists) }
    for listen in listens.resources.values { end(listen: listen) }
  }

  private func end(_ number: ListenSet.Number, _ listens: ModernListenSet) {
    listens.set.end(number)
    if let listen = listens.resources.removeValue(forKey: number) { end(listen: listen) }
  }

  private func end(listen: RequestID) {
    loop.upstream.requests.withdraw(listen, reason: "another listen takes its place")
  }

  // MARK: Replacing

  /// Another listen tells of the same by now. What was on its way here is waited for, and told unless it came there too.
  private func replace(_ number: ListenSet.Number, _ listens: ModernListenSet, _ supervised: SupervisedCluster) {
    listens.set.end(number)
    listens.stragglers[number] = []
    loop.after(milliseconds: Self.overlap) { [weak supervised, loop] in
      guard let supervised, supervised.listening.listens === listens else { return }
      if let listen = listens.resources.removeValue(forKey: number) { self.end(listen: listen) }
      for message in listens.stragglers.removeValue(forKey: number) ?? [] {
        if let place = listens.recent.firstIndex(of: message) {
          listens.recent.remove(at: place)
          continue
        }
        let scanner = EnvelopeScanner()
        loop.clients.resourceUpdated(supervised.cluster, scanner.scan(message.rawBytes), nil)
      }
      if listens.stragglers.isEmpty { listens.recent = [] }
    }
  }

  /// A change of a resource came on that listen.
  private func updated(_ envelope: Envelope, on number: ListenSet.Number, _ supervised: SupervisedCluster) {
    let listens = supervised.listening.listens
    guard let token = envelope.value(Param.uri), let uri = JSON.bytes(token) else { return }
    if listens.stragglers[number] != nil {
      listens.stragglers[number]?.append(Self.withoutID(envelope))
      return
    }
    guard listens.set.isTold(uri, by: number) else { return }
    if !listens.stragglers.isEmpty { listens.recent.append(Self.withoutID(envelope)) }
    loop.clients.resourceUpdated(supervised.cluster, envelope, nil)
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
    _ purpose: ListenPurpose, _ supervised: SupervisedCluster, _ profile: Cluster.Profile
  ) async -> Opening {
    var members = ByteBuffer(capacity: 256)
    members.append("\"notifications\":")
    members.append(purpose.filter)
    let request = members.bytes.array
    let listens = supervised.listening.listens
    return await withCheckedContinuation { continuation in
      let gathering = Gathering(1)
      let call = LocalCall { [weak supervised] outcome in
        let isNew = gathering.arrive()
        let mayAgain = Self.mayListenAgain(outcome)
        listens.opened(nil, for: purpose)
        if isNew { continuation.resume(returning: mayAgain ? .unanswered : .refused) }
        // Of those of the moment the end is news; a refusal is for good.
        guard let supervised, supervised.listening.listens === listens, mayAgain || !isNew else { return }
        self.endAll(supervised)
        if mayAgain { self.restart.schedule(supervised) }
      }
      call.onNotification = { [weak supervised, weak delegate] message in
        guard let supervised, supervised.listening.listens === listens else { return }
        let scanner = EnvelopeScanner()
        let envelope = scanner.scan(message.rawBytes)
        switch envelope.method {
        case .notifySubscriptionsAcknowledged:
          if case .resources(let number, _) = purpose { listens.set.acknowledged(number) }
          if gathering.arrive() { return continuation.resume(returning: .acknowledged) }
          // It came too late to be waited for: what changed before it was not told.
          switch purpose {
          case .lists(let kinds): delegate?.listsChanged(supervised.cluster, kinds, isTold: false)
          case .resources(_, let uris): self.restart.makeUpForSilence(supervised, uris)
          }
        case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
          delegate?.listsChanged(supervised.cluster, ListKinds(changed: envelope.method), isTold: true)
        case .notifyResourcesUpdated:
          if case .resources(let number, _) = purpose { self.updated(envelope, on: number, supervised) }
        default:
          break
        }
      }
      let listen = loop.upstream.messages.ask(
        supervised.cluster, profile, supervised.binding, .subscriptionsListen, members: request, timeout: nil, call)
      if let listen, loop.upstream.requests.contains(listen) { listens.opened(listen, for: purpose) }
      loop.after(milliseconds: Self.acknowledgementTime) {
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
