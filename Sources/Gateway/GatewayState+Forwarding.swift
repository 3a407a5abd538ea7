import MCP
import Reactor
import Wire

// Catalogue
extension GatewayState {
  var catalogues: Catalogues { shelf.catalogues }
  func catalogue(of era: Era) -> ServedCatalogue { shelf.catalogue(of: era) }
  var clusters: [Cluster] { shelf.clusters }
  func cluster(numbered number: Int) -> Cluster? { shelf.cluster(numbered: number) }
  func publish(_ catalogues: Catalogues) { shelf.publish(catalogues) }
  func countConflicts(_ count: Int) { shelf.countConflicts(count) }
}

// Workers
extension GatewayState {
  func pass(_ loops: Set<Int>, _ done: @escaping @Sendable () -> Void) { group.pass(loops, done) }
}

// UpstreamClient
extension GatewayState {
  var identityObject: [UInt8] { upstream.identityObject }
  var requestMeta: RequestMeta { upstream.meta }
  func requestMeta(_ level: LogLevel?) -> RequestMeta { upstream.requestMeta(level) }
}

// Sessions
extension GatewayState {
  var sessions: SessionTable { sessionsShared.table }
  var sessionKeys: SessionKeys { sessionsShared.keys }
  var endedSessions: EndedJournal { sessionsShared.ended }
  var interests: Interests { sessionsShared.interests }
  var successor: RelayPlace { sessionsShared.successor }
  var predecessor: RelayPlace { sessionsShared.predecessor }
  var inheritance: Inheritance { sessionsShared.inheritance }
  var cursorKey: SipHash { sessionsShared.cursorKey }
  func catalogue(for session: Session?) -> ServedCatalogue { sessionsShared.catalogue(for: session) }
  func conversation(with cluster: Cluster, of session: Session) -> UpstreamSession {
    sessionsShared.conversation(with: cluster, of: session)
  }
  func isShared(_ conversation: UpstreamSession, with session: Session) -> Bool {
    sessionsShared.isShared(conversation, with: session)
  }
  func sharers(of conversation: UpstreamSession) -> Sharers? { sessionsShared.sharers(of: conversation) }
  var hasLeftSessions: Bool { sessionsShared.hasLeft.load(ordering: .acquiring) }

  func append(
    _ frame: Frame, to stream: EventLog.StreamNumber, of session: Session, last: Bool
  ) -> EventLog.Delivery? { sessionsShared.append(frame, to: stream, of: session, last: last) }
  func tell(
    of stream: EventLog.StreamNumber, _ frame: Frame? = nil, in state: borrowing Session.State, _ session: Session
  ) { sessionsShared.tell(of: stream, frame, in: state, session) }
  func tell(_ state: borrowing Session.State, of session: Session) { sessionsShared.tell(state, of: session) }
  func tell(_ uri: [UInt8], isWanted: Bool, of session: Session) {
    sessionsShared.tell(uri, isWanted: isWanted, of: session)
  }
}

// Delivery
extension GatewayState {
  var deliveryMail: Mailboxes<DeliveryLetter> { deliveries.mail }
  var listNews: ListNews { deliveries.listNews }
  var heartbeatFrame: Frame { deliveries.heartbeat }
  func send(_ parcel: EventParcel) { deliveries.send(parcel) }
  func announce(forSessions sessions: ListChanges, forListens listens: ListChanges) {
    deliveries.announce(forSessions: sessions, forListens: listens)
  }
}
