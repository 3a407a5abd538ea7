import MCP
import Reactor

/// A client's WebSocket (an extension: no revision of MCP has one): a conversation as over standard streams, one
/// message in each frame.
struct ClientSocket {
  let connection: ConnectionID
  let view: CatalogueView
  /// What `initialize` opened on it; a modern client has none.
  var session: Session?
}

/// How a message of a WebSocket is answered.
struct SocketReply: Equatable {
  let connection: ConnectionID
  /// The message came as binary, and so goes its answer.
  let isBinary: Bool
}

/// Where the answer to a client's message goes.
enum ReplyPath {
  /// The POST on this connection.
  case post(ConnectionID)
  case socket(SocketReply)

  var connection: ConnectionID {
    switch self {
    case .post(let connection): connection
    case .socket(let reply): reply.connection
    }
  }
}

/// The client WebSockets of one worker, by slot: the tag of a connection says which is its own.
struct SocketTable {
  private struct Slot {
    var connection = ConnectionID.none
    var view: UInt16 = 0
    var session: Session?
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  /// Opens a slot for a connection.
  mutating func make(_ connection: ConnectionID, _ view: CatalogueView) -> Int {
    let slot = Slot(connection: connection, view: view.word, session: nil)
    if let last = free.popLast() {
      slots[Int(last)] = slot
      return Int(last)
    }
    slots.append(slot)
    return slots.count - 1
  }

  subscript(_ place: Int) -> ClientSocket? {
    guard place < slots.count, !slots[place].connection.isNone else { return nil }
    let slot = slots[place]
    return ClientSocket(
      connection: slot.connection, view: CatalogueView(word: slot.view), session: slot.session)
  }

  mutating func open(_ session: Session, at place: Int) { slots[place].session = session }

  mutating func remove(_ place: Int) -> ClientSocket? {
    guard let socket = self[place] else { return nil }
    slots[place] = Slot()
    free.append(UInt32(place))
    return socket
  }

  func place(of connection: ConnectionID) -> Int? { slots.firstIndex { $0.connection == connection } }

  /// The places that are taken.
  var places: [Int] { slots.indices.filter { !slots[$0].connection.isNone } }
}
