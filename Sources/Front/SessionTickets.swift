import Calls
import Catalogue
import Clusters
import Configuration
import Delivery
import MCP
import OpenCalls
import Reactor
import ServedCatalogue
import SessionStore
import Sessions
import Wire
import Workers

/// The sessions that clients name: those that are here, and those that another process has opened, or that have idled
/// out, which are made anew from what their tickets say.
final class SessionTickets {
  private let context: FrontContext
  private let sessions: SessionsShared
  private let worker: WorkerContext
  private let delivery: Delivery
  private let openings: SessionOpenings
  private let cache: TicketCache

  init(_ context: FrontContext, _ openings: SessionOpenings) {
    self.context = context
    sessions = context.sessions
    worker = context.worker
    delivery = context.delivery
    cache = context.tickets
    self.openings = openings
  }

  /// The session of Streamable HTTP that a request names, for the one who opened it, on the path that it was opened on.
  /// Answers the request if there is none.
  func session(
    _ text: RawSpan, of connection: ConnectionID, _ view: CatalogueView, id: RawSpan?
  ) -> Session? {
    do throws(GatewayError) {
      return try seek(text, of: connection, view)
    } catch {
      context.answers.refuse(connection, error, id: id, .legacy)
      return nil
    }
  }

  /// - Throws: `.sessionUnknown` for one that is none of this installation's, ended, too old, somebody else's, or of another
  ///   path: all the same to who asks.
  private func seek(
    _ text: RawSpan, of connection: ConnectionID, _ view: CatalogueView
  ) throws(GatewayError) -> Session {
    guard let found = cache.find(text) else { throw GatewayError(.sessionUnknown) }
    if let session = found.session {
      guard session.isFor(worker.loop.subject(of: connection), view) else { throw GatewayError(.sessionUnknown) }
      guard isTaken(found.minute) else {
        // What it has under way is still answered.
        if !session.isCalling { delivery.ends.end(session) }
        throw GatewayError(.sessionUnknown)
      }
      guard session.isIdle(for: worker.limits.sessionIdleTimeout, now: context.now) else { return session }
      // The round that ends such sessions only comes every few seconds.
      delivery.ends.end(session)
    }
    guard let ticket = cache.open(text), isGood(ticket, for: worker.principal(of: connection), view) else {
      throw GatewayError(.sessionUnknown)
    }
    return try makeAnew(ticket, of: connection, view)
  }

  /// Whether it is not too old.
  private func isTaken(_ opened: UInt32) -> Bool { opened >= worker.limits.oldestTicket(at: worker.minute) }

  /// Whether a session that is not here (any more) may be gone on with.
  private func isGood(_ ticket: SessionTicket, for principal: Principal, _ view: CatalogueView) -> Bool {
    guard !ticket.isBound, isTaken(ticket.minute), let alias = alias(of: view) else { return false }
    return sessions.keys.isFor(ticket, path: alias, principal: principal.subject)
      && !sessions.ended.contains(ticket)
  }

  private func makeAnew(
    _ ticket: SessionTicket, of connection: ConnectionID, _ view: CatalogueView
  ) throws(GatewayError) -> Session {
    let arrival = Arrival(kind: .resumption, transport: .streamableHTTP, connection: connection, session: nil)
    if case .refuse(let error) = context.calls.judge(arrival, view) { throw error }
    let session = Session(
      id: ticket.id.kept(by: UInt8(worker.index)), party: worker.party(of: connection), view: view,
      handshake: Session.Handshake(ticket.revision, ticket.abilities), origin: .anew,
      replay: worker.settings.configuration.sessions.replay, resumeWindow: worker.settings.resumeWindow,
      now: context.now)
    session.note(ticket.lists)
    if context.calls.faces.isAwaited(view) { context.calls.faces.expect(view) }
    switch sessions.adopt(session, of: ticket, now: context.now, { openings.takeIn(session) }) {
    case .made(let bequest):
      context.calls.renewals.settle(
        session, hasLogLevel: bequest.hasLogLevel, subscriptions: bequest.subscriptions)
      return session
    case .found(let other): return other
    case .ended(let other):
      if let other { delivery.ends.end(other) }
      throw GatewayError(.sessionUnknown)
    case .full: throw Admission.sessionLimit
    }
  }

  /// What a path is called: by the name in the configuration, as the number is another in another process. Nil for a server
  /// that is gone.
  private func alias(of view: CatalogueView) -> String? {
    switch view {
    case .all: ""
    case .only(let number): context.shelf.cluster(numbered: number)?.alias
    }
  }

  /// Appends the ticket of a session that was just opened here.
  func append(ticketOf session: Session, to buffer: inout ByteBuffer) {
    let key = sessions.keys.signing
    let ticket = SessionTicket(
      session.id, minute: System.minute, session.revision, session.abilities, lists: session.announcedLists,
      isBound: session.transport != .streamableHTTP, path: key.path(alias(of: session.view) ?? ""),
      principal: session.party.name(under: key))
    ticket.append(to: &buffer, key: key)
  }

  /// The session of HTTP+SSE that a POST names. It ends with its stream, and so with the process.
  func boundSession(_ text: RawSpan, of connection: ConnectionID) -> Session? {
    guard let ticket = cache.open(text), let session = sessions.find(ticket.id),
      session.transport == .eventStream, session.principal == worker.principal(of: connection)
    else { return nil }
    return session
  }

  // MARK: DELETE

  /// Its client ends a session, wherever it was used last: no process takes its ticket any more.
  func terminate(_ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead) {
    let principal = worker.principal(of: connection)
    guard let text = head.header(.mcpSessionID), let ticket = cache.open(text) else {
      return context.answers.refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy)
    }
    let session = sessions.find(ticket.id)
    guard context.admits(.termination, .post(connection), .streamableHTTP, session, id: nil, .legacy) else { return }
    let isHere = session.map { $0.isFor(principal.subject, view) } ?? false
    guard isHere || isGood(ticket, for: principal, view) else {
      return context.answers.refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy)
    }
    // Its client may take it for ended once it has the answer, even if the process is killed right then, and in any other
    // that lives beside this one.
    let noted = context.calls.later.once(after: Self.placesToNote, within: Self.endPatience) { [unowned self] in
      context.answers.respond(connection, EventLoop.ReplyHead(200, headers: RawSpan()), RawSpan())
    }
    end(ticket, noted)
  }

  /// How long the answer to a DELETE waits until it is in the file and other processes know, in milliseconds.
  private static let endPatience: UInt64 = 1000

  /// Ends a session for the client that it was found for.
  func terminate(_ session: Session, _ text: RawSpan) {
    guard let ticket = cache.open(text) else { return delivery.ends.end(session) }
    end(ticket) {}
  }

  /// No process takes that ticket any more, whether it lives beside this one or comes after it.
  /// - Parameter noted: called `placesToNote` times: for this process, for the one that it takes over from and for the one
  ///   that takes over from it.
  private func end(_ ticket: SessionTicket, _ noted: @escaping @Sendable () -> Void) {
    let oldest = worker.settings.oldestTicket(at: worker.minute)
    if let session = sessions.end(ticket, oldest: oldest, written: noted) { delivery.ends.end(session) }
    // Looked for after that: one that comes in between is told of it with all that ended before.
    for other in [sessions.predecessor.relay, sessions.successor.relay] {
      if let other { other.end(ticket.id, opened: ticket.minute, share: ticket.share, noted) } else { noted() }
    }
  }

  private static let placesToNote = 3
}

extension Party {
  /// What stands for it in a ticket.
  fileprivate func name(under key: SessionKey) -> UInt64 {
    if case .address(let address) = self { return key.nobody(at: (address.high, address.low)) }
    return key.principal(principal.subject)
  }
}
