import Catalogue
import Configuration
import Federation
import Gateway
import MCP
import Reactor
import Testing

@testable import SessionStore
@testable import Sessions
@testable import Workers

/// Two loops may end a session and make it anew at one time: what either does first, in each order that there is.
@Suite("A session that is ended while it is made anew")
struct SessionsSharedTests {
  private let sessions: SessionsShared
  private let ticket: SessionTicket

  init() throws {
    let configuration = GatewayConfiguration()
    sessions =
      GatewayState(
        Settings(configuration), clusters: try ClusterSet(configuration).served, workerCount: 2, debugEcho: false
      ).sessions
    ticket = SessionTicket(
      SessionID(worker: 0), minute: System.minute, .r20250618, [], path: sessions.keys.signing.path(""),
      principal: sessions.keys.signing.principal(""))
  }

  /// As the worker makes it where its client has come.
  private func session() -> Session {
    Session(
      id: ticket.id.kept(by: 1), party: .address(ClientAddress(high: 1, low: 0)), view: .all,
      handshake: Session.Handshake(ticket.revision, ticket.abilities), origin: .anew, replay: 0, resumeWindow: 0,
      now: 0)
  }

  private func adopt(_ session: Session, _ meanwhile: () -> Void = {}) -> Inheritance.Adoption {
    sessions.adopt(session, of: ticket, now: 0) {
      meanwhile()
      return sessions.table.insert(session, now: 0) == .admitted
    }
  }

  @discardableResult
  private func end() -> Session? { sessions.end(ticket, oldest: 0) {} }

  @Test("is there to be ended by who makes it, where its end was noted before it was there")
  func before() {
    let made = session()
    #expect(end() == nil)
    guard case .ended(let other) = adopt(made) else {
      Issue.record("it is gone on with")
      return
    }
    #expect(other === made)
  }

  @Test("is so too where who ends it looked for it just before it was there")
  func between() {
    let made = session()
    let adoption = adopt(made) {
      sessions.ended.end(ticket, oldest: 0)
      #expect(sessions.find(ticket.id) == nil)
    }
    guard case .ended(let other) = adoption else {
      Issue.record("it is gone on with")
      return
    }
    #expect(other === made)
  }

  @Test("is ended by who ends it, where it was there by then")
  func after() {
    let made = session()
    guard case .made = adopt(made) else {
      Issue.record("it is not made")
      return
    }
    #expect(end() === made)
  }

  @Test("is not gone on with by a second worker that makes it either")
  func second() {
    let first = session()
    guard case .made = adopt(first) else {
      Issue.record("it is not made")
      return
    }
    guard case .found(let found) = adopt(session()) else {
      Issue.record("it is made twice")
      return
    }
    #expect(found === first)
    end()
    guard case .ended(let other) = adopt(session()) else {
      Issue.record("it is gone on with")
      return
    }
    #expect(other === first)
  }

  @Test("is nothing to be ended where there was no room for it")
  func full() {
    end()
    guard case .ended(nil) = sessions.adopt(session(), of: ticket, now: 0, { false }) else {
      Issue.record("it is there")
      return
    }
  }
}
