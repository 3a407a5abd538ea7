import Catalogue
import Clusters
import Configuration
import Delivery
import Links
import MCP
import ServedCatalogue
import Sessions
import Wire
import Workers

/// What upstreams tell without being asked, and whom it concerns.
public final class UpstreamNews {
  private let context: CallsContext
  private let delivery: Delivery
  private let shared: CallsShared
  private let sessions: SessionsShared

  public init(_ context: CallsContext) {
    self.context = context
    delivery = context.delivery
    shared = context.shared
    sessions = context.sessions
  }

  /// An upstream's list has changed. In a conversation that is one client's alone, that client may see something else.
  public func listChanged(_ cluster: Cluster, _ method: Method, _ binding: UpstreamSession?) {
    let kinds = ListKinds(changed: method)
    // At once: whoever asks for a list after what that server says next must not get the old one.
    cluster.freshness.withLock { $0.announced(kinds) }
    var own: UpstreamSession?
    if let binding, binding.owner != nil, cluster.profile?.revision.era == .legacy {
      binding.ownLists.announce(kinds)
      own = binding
    }
    shared.delegate?.listChanged(cluster, kinds, own: own, isTold: true)
  }

  /// An upstream's lists may have changed while it could not tell.
  func listsMayHaveChanged(_ cluster: Cluster, _ kinds: ListKinds) {
    cluster.freshness.withLock { $0.announced(kinds) }
    shared.delegate?.listChanged(cluster, kinds, own: nil, isTold: false)
  }

  /// A resource changed: who subscribed to it, or to what it lies below, hears of it. Without a conversation it was told
  /// on the gateway's own listen. What a server says of another's resources is nobody's news.
  public func resourceUpdated(_ cluster: Cluster, _ envelope: Envelope, _ binding: UpstreamSession?) {
    guard let token = envelope.value(Param.uri), let uri = JSON.bytes(token), let upstream = cluster.profile?.revision
    else { return }
    let session = binding?.owner.flatMap(sessions.find)
    let era: Era = session != nil || cluster.isSecondFace ? .legacy : .modern
    let routes = (session?.overlay ?? sessions.shelf.catalogue(of: era)).routes
    let update = ResourceUpdate(
      upstream: cluster.number, alias: cluster.alias, revision: upstream, uri: uri,
      claim: routes.claim(of: uri.rawBytes, by: cluster.number), message: envelope.message.array,
      isKnown: cluster.isAtURL)
    if upstream.era == .modern {
      delivery.tellSessions(update)
    } else if let binding {
      if binding.owner != nil {
        if let session { tell(update, to: session, binding) }
        return
      }
      delivery.tell(update, subscribers: binding.subscribers(of: update.uri))
      // Listens hear what the gateway's own conversation says; with `isolation: principal` there are others.
      if cluster.isolation != .shared, sessions.upstream.sessions.all.contains(where: { $0 === binding }) { return }
      // They hear what the server's first face says.
      if cluster.isSecondFace { return }
    }
    for worker in 0..<shared.group.workerCount { delivery.hand(.resourceUpdated(update), to: worker) }
  }

  /// A client hears what its own conversation says of that server's resources, subscribed or not.
  private func tell(_ update: ResourceUpdate, to session: Session, _ binding: UpstreamSession) {
    let named = binding.subscribers(of: update.uri)[session.id]
    var name: [UInt8]?
    if let named {
      name = update.name(for: named, seeing: session.view)
    } else if session.view != .all {
      name = update.uri
    } else if case .own(let exposed) = update.claim {
      name = exposed
    }
    guard let name else { return }
    var message = ByteBuffer(capacity: update.message.count + 64)
    guard update.append(to: &message, named: name, client: session.revision) else { return }
    delivery.messages.emit(message.bytes, to: session, isKnown: update.isKnown && named != nil)
  }

  /// A message that carries no sign of whom it is for: everybody whose conversation it is. Where that may be several
  /// principals it is nobody's, since it may speak of what one of them did.
  public func broadcast(_ envelope: Envelope, _ binding: UpstreamSession) {
    if let owner = binding.owner {
      if let session = sessions.find(owner) { delivery.messages.emit(envelope.message, to: session) }
      return
    }
    let isLog = envelope.method == .notifyMessage
    let level = isLog ? LogLevel(token: envelope.value(Param.level)) : nil
    if binding.cluster.isolation == .shared, context.settings.tellsClientsApart { return }
    guard let sharers = sessions.sharers(of: binding) else { return }
    let announcement = Announcement(envelope.message.array)
    guard isLog else { return delivery.tell(announcement, sharers) }
    // What all share speaks as low as the lowest level that somebody asked for. Who asked for none may still be the one whose
    // call it speaks of.
    let callers = binding.callers.sessionIDs.filter { id in
      guard let session = sessions.find(id), sharers.contains(session) else { return false }
      return session.withState { $0.logLevel } == nil
    }
    let listeners = sessions.table.listeners(among: sharers, at: level)
    delivery.tell(announcement, listeners + callers)
  }
}
