import Catalogue
import MCP
import Reactor
import Testing

@testable import Delivery
@testable import OpenCalls
@testable import Sessions
@testable import Workers

@Suite("The calls of one worker")
struct CallTableTests {
  private func session(_ socket: ConnectionID? = nil) -> Session {
    Session(
      id: SessionID(worker: 0), party: .principal(.anonymous), view: .all,
      handshake: Session.Handshake(.r20251125), socket.map { .socket($0) } ?? .streamableHTTP, replay: 0,
      resumeWindow: 0, now: 0)
  }

  private func make(
    _ table: inout CallTable, _ reply: ReplyTo, _ session: Session?, _ batch: AnswerBatch? = nil
  ) throws -> Call {
    let made = table.make(reply, session, batch)
    return try #require(made)
  }

  @Test("those of a session are found among those of others, in whatever order they end", arguments: [0, 1, 2])
  func sessions(_ ended: Int) throws {
    var table = CallTable(worker: 0)
    let (ann, bob) = (session(), session())
    let mine = try (0..<3).map { _ in try make(&table, .eventStream, ann) }
    let other = try make(&table, .eventStream, bob)
    let single = try make(&table, .post(ConnectionID(rawValue: 5)), nil)
    let ids = mine.map(\.id)
    #expect(Set(table.calls(of: ann.id, nil)) == Set(ids))
    table.release(mine[ended])
    #expect(Set(table.calls(of: ann.id, nil)) == Set(ids).subtracting([ids[ended]]))
    #expect(table.calls(of: bob.id, nil) == [other.id])
    #expect(table.find(single.id) === single)
    for id in table.calls(of: ann.id, nil) { table.release(try #require(table.find(id))) }
    #expect(table.calls(of: ann.id, nil).isEmpty)
    #expect(table.count == 2)
  }

  @Test("those of a WebSocket are found with and without a session, batches too")
  func sockets() throws {
    var table = CallTable(worker: 0)
    let (socket, another) = (ConnectionID(rawValue: 77), ConnectionID(rawValue: 78))
    let ann = session(socket)
    let early = try make(&table, .socket(socket), nil)
    let later = try make(&table, .socket(socket, isBinary: true), ann)
    let batch = AnswerBatch(.socket(socket), ann, NoTransport(), limit: 100, requests: 1)
    let batched = try make(&table, batch.reply.element(0), ann, batch)
    let foreign = try make(&table, .socket(another), nil)
    #expect(Set(table.calls(over: socket)) == [early.id, later.id, batched.id])
    #expect(Set(table.calls(of: ann.id, ann.socket)) == [later.id, batched.id])
    #expect(table.calls(over: another) == [foreign.id])
    table.release(later)
    #expect(Set(table.calls(over: socket)) == [early.id, batched.id])
  }

  @Test("a call that is used again knows nothing of the one before")
  func reuse() throws {
    var table = CallTable(worker: 0)
    let ann = session()
    let batch = AnswerBatch(.post(ConnectionID(rawValue: 4)), ann, NoTransport(), limit: 100, requests: 1)
    let call = try make(&table, batch.reply.element(0), ann, batch)
    let id = call.id
    call.answer.began(3)
    call.isRerouted = true
    call.subscribing = [1]
    call.lacking = .roots
    call.redirects = 2
    table.release(call)
    #expect(table.find(id) == nil)
    #expect(table.calls(of: ann.id, nil).isEmpty)
    let next = try make(&table, .post(ConnectionID(rawValue: 5)), nil)
    #expect(next === call)
    #expect(next.id != id)
    #expect(next.batch == nil && next.reply == .post(ConnectionID(rawValue: 5)))
    #expect(next.session == nil && next.answer == AnswerState() && !next.isRerouted && next.subscribing.isEmpty)
    #expect(next.lacking.isEmpty && next.redirects == 0 && next.request == nil)
  }
}
