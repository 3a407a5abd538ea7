import Clusters
import Configuration
import Links
import MCP
import Reactor
import ServedCatalogue
import SessionStore
import Synchronization
import Wire

/// What all loops share of clients' sessions.
public final class SessionsShared: Sendable {
  public let table: SessionTable
  public let keys: SessionKeys
  /// What names the pages of lists.
  public let cursorKey: SipHash
  public let ended: EndedJournal
  public let interests = Interests()
  /// Another process that lives beside this one: the one that takes its place, and the one whose place it takes.
  public let successor = RelayPlace()
  public let predecessor = RelayPlace()
  public let inheritance = Inheritance()
  /// Streams for messages of no call are the successor's, also of sessions that are opened from here on.
  public let hasLeft = Atomic<Bool>(false)
  public let upstream: UpstreamShared
  public let shelf: CatalogueShelf

  public init(
    _ bounds: SessionCensus.Bounds, workers: Int, keys: SessionKeys, ended: EndedJournal, _ upstream: UpstreamShared,
    _ shelf: CatalogueShelf
  ) {
    table = SessionTable(bounds, workers: workers)
    self.keys = keys
    cursorKey = keys.cursor
    self.ended = ended
    self.upstream = upstream
    self.shelf = shelf
  }

  public func find(_ id: SessionID) -> Session? { table.find(id) }

  /// What a client sees; one without a session is of the modern era.
  public func catalogue(for session: Session?) -> ServedCatalogue {
    session?.overlay ?? shelf.catalogue(of: session == nil ? .modern : .legacy)
  }

  /// Whether this process passes on what one before it and one after it tell each other.
  public var isBetween: Bool { predecessor.relay != nil && successor.relay != nil }
}

/// Sessions that are made anew from their tickets, and those that no process makes anew any more. Both may be done on two loops
/// at one time: who makes one looks afterwards whether it has ended, and who ends it looks for it afterwards, so that one of both
/// sees the other.
extension SessionsShared {
  /// Takes in a session that was made anew from its ticket, with what is known of it. `admit` says whether there is room.
  public func adopt(_ session: Session, of ticket: SessionTicket, now: UInt64, _ admit: () -> Bool)
    -> Inheritance.Adoption
  {
    let adoption = inheritance.adopt(session, into: table, now: now, admit)
    return ended.contains(ticket) ? .ended(find(ticket.id)) : adoption
  }

  /// Its client ends a session. Gives what is there of it, which is to be ended.
  /// - Parameters:
  ///   - oldest: the minute of which and after which tickets are taken.
  ///   - written: called once a process that comes after this one will know; from another thread, or at once.
  public func end(_ ticket: SessionTicket, oldest: UInt32, written: @escaping @Sendable () -> Void) -> Session? {
    inheritance.remove(ticket.id)
    ended.end(ticket, oldest: oldest, written: written)
    return find(ticket.id)
  }
}

/// Conversations that clients share.
extension SessionsShared {
  /// The one that carries a session's calls.
  public func conversation(with cluster: Cluster, of session: Session) -> UpstreamSession {
    switch cluster.isolation {
    case .shared: upstream.sessions.shared(cluster, at: cluster.home(of: session.id.routingKey, now: System.uptime))
    case .principal:
      upstream.sessions.session(
        cluster, at: cluster.home(of: session.principal.routingKey, now: System.uptime), session.principal,
        abilities: session.abilities)
    case .session: session.upstream(cluster)
    }
  }

  /// Whether a session's calls go through a conversation that no client has to itself.
  public func isShared(_ conversation: UpstreamSession, with session: Session) -> Bool {
    upstream.sessions.isShared(conversation, with: session.principal, abilities: session.abilities)
  }

  /// Whether a conversation that clients share brings news of a resource to listens as well.
  public func isWanted(_ interest: ResourceInterest, in conversation: UpstreamSession) -> Bool {
    conversation.cluster.isolation == .shared && !conversation.cluster.isSecondFace && interests.isWanted(interest)
  }

  /// The sessions whose calls go through a conversation that no client has to itself; nil: there are none.
  public func sharers(of conversation: UpstreamSession) -> Sharers? {
    let kin: Sharers.Kin?
    switch upstream.sessions.sharing(of: conversation) {
    case .nobody: return nil
    case .everybody: kin = nil
    case .those(let principal, let abilities): kin = Sharers.Kin(abilities: abilities, principal: principal)
    }
    let number = conversation.cluster.number
    // Sessions are of the legacy era: where a server has a face for that, the other one is not theirs.
    if !conversation.cluster.isSecondFace,
      shelf.catalogue(of: .legacy).clusters.contains(where: { $0.number == number && $0.isSecondFace })
    {
      return nil
    }
    return Sharers(upstream: number, kin: kin)
  }
}

/// What the process that takes this one's place is told, while this one still serves.
extension SessionsShared {
  /// Makes an encoded message the next event of a stream, here and in the process that takes this one's place.
  public func append(
    _ frame: Frame, to stream: EventLog.StreamNumber, of session: Session, last: Bool
  ) -> EventLog.Delivery? {
    session.withState { state in
      guard let delivery = state.log.append(frame, to: stream, last: last) else { return nil }
      tell(of: stream, frame, in: state, session)
      return delivery
    }
  }

  /// Tells the process that takes this one's place what was added last to a stream. Within the session's lock, so that it
  /// comes to know in order.
  public func tell(
    of stream: EventLog.StreamNumber, _ frame: Frame? = nil, in state: borrowing Session.State, _ session: Session
  ) {
    guard let relay = heir(of: session), var piece = state.log.latestPiece(of: stream) else { return }
    piece.frame = frame
    relay.add(SessionRecord(session.id, .piece(piece)))
  }

  /// The process that takes this one's place, for a session that it can go on with: another ends with its connection, which
  /// stays here.
  private func heir(of session: Session) -> SessionRelay? {
    session.transport == .streamableHTTP ? successor.relay : nil
  }

  /// Leaves to the process that takes this one's place what goes on a stream of no call, once those are its. False if it is
  /// this one's still. Within the session's lock.
  /// - Parameter isKnown: whether that process comes to know of it by itself.
  public func leave(_ frame: Frame, to state: borrowing Session.State, _ session: Session, isKnown: Bool = false)
    -> Bool
  {
    guard state.isLeft || hasLeft.load(ordering: .acquiring), let relay = heir(of: session) else { return false }
    return isKnown || relay.add(SessionRecord(session.id, .message(frame)))
  }

  /// The same of what its client has settled.
  public func tell(_ state: borrowing Session.State, of session: Session) {
    guard let relay = heir(of: session) else { return }
    relay.add(SessionRecord(session.id, .settled(session.settled(state))))
  }

  /// And of what it subscribes to.
  public func tell(_ uri: [UInt8], isWanted: Bool, of session: Session) {
    guard let relay = heir(of: session) else { return }
    relay.add(SessionRecord(session.id, .subscription(uri, isWanted: isWanted)))
  }
}

extension Session {
  public func settled(_ state: borrowing State) -> SessionRecord.Settled {
    SessionRecord.Settled(
      revision: revision, abilities: abilities, lists: announcedLists, logLevel: state.logLevel)
  }
}
