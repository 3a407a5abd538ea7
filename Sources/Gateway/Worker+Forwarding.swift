import MCP
import Reactor

// What has moved to a part of the worker, for who still calls it here.

// Delivery
extension Worker {
  static var streamHeaders: StaticString { HTTPAnswers.streamHeaders }
  func respond(_ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead, _ body: RawSpan) {
    delivery.answers.respond(connection, head, body)
  }
  func beginAnswer(_ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead) {
    delivery.answers.begin(connection, head)
  }
  func refuse(_ connection: ConnectionID, _ error: GatewayError, id: RawSpan?, _ era: Era) {
    delivery.answers.refuse(connection, error, id: id, era)
  }
  func accept(_ connection: ConnectionID) { delivery.answers.accept(connection) }
}
