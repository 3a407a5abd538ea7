import Reactor
import Testing

@testable import Delivery

@Suite("Where an answer goes")
struct ReplyToTests {
  private let connection = ConnectionID(rawValue: 7)

  @Test("it takes 16 bytes")
  func size() { #expect(MemoryLayout<ReplyTo>.size <= 16) }

  @Test("an answer over a WebSocket is as binary as its message, and what answers nothing is text")
  func binary() {
    let reply = ReplyTo.socket(connection, isBinary: true)
    #expect(reply.isBinary && !reply.unasked.isBinary)
    #expect(reply.unasked == .socket(connection))
    #expect(reply.socket == connection && !reply.isPost)
  }

  @Test("an element of a batch knows its place, and goes where the batch came from")
  func elements() {
    let reply = ReplyTo.post(connection)
    #expect(reply.place == nil)
    #expect(reply.element(0).place == 0)
    #expect(reply.element(41).place == 41)
    #expect(reply.element(3).connection == connection && reply.element(3).isPost)
    #expect(reply.element(3) != reply)
  }

  @Test("nobody and the stream of a session name no connection")
  func elsewhere() {
    #expect(ReplyTo.nobody.connection.isNone && ReplyTo.eventStream.connection.isNone)
    #expect(ReplyTo.nobody != .eventStream)
    #expect(ReplyTo.eventStream.socket == nil)
  }
}
