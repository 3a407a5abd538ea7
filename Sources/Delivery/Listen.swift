import Catalogue
import MCP
import Reactor
import Sessions
import Workers

/// A modern client's `subscriptions/listen`: what it hears of, and under which id (MCP 2026-07-28, Basic/Patterns,
/// Subscriptions).
final class Listen {
  let view: CatalogueView
  let subscriptionID: Token
  /// What of its wishes is honoured.
  var filter: ListenFilter
  /// The resources among them, by the URI that the client named.
  var resources: [[UInt8]: Subscription]
  /// Whose it is, and the bytes that are held for it.
  let party: Party
  let bytes: Int
  /// Where it is told.
  let reply: ReplyTo
  /// Nothing of a subscription may come before its acknowledgement.
  var isAcknowledged = false
  /// The last change of lists that it need not be told of any more.
  var told: UInt32

  init(
    _ view: CatalogueView, _ subscriptionID: Token, _ filter: ListenFilter, _ resources: [[UInt8]: Subscription],
    _ party: Party, bytes: Int, _ reply: ReplyTo, told: UInt32
  ) {
    self.told = told
    self.view = view
    self.subscriptionID = subscriptionID
    self.filter = filter
    self.resources = resources
    self.party = party
    self.bytes = bytes
    self.reply = reply
  }
}

/// Names a listen of one worker: by the connection that it has to itself, or as one of several on a WebSocket.
struct ListenStream: Hashable {
  let connection: ConnectionID
  let number: UInt64

  init(_ connection: ConnectionID, _ number: UInt64 = 0) {
    self.connection = connection
    self.number = number
  }

  static func == (a: ListenStream, b: ListenStream) -> Bool { a.number == b.number && a.connection == b.connection }

  /// Both are given out here: nobody can choose ones that collide.
  func _rawHashValue(seed: Int) -> Int {
    connection._rawHashValue(seed: seed) ^ Int(truncatingIfNeeded: number &* 0x9E37_79B9_7F4A_7C15)
  }
}
