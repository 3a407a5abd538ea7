import Catalogue
import Clusters
import MCP
import Reactor
import SessionStore
import Sessions
import Translation
import Wire
import Workers

/// Tells the numbers of WebSockets from others.
public enum SocketName {}

/// Names a client's WebSocket; the tag of its connection says it.
public typealias SocketID = SlotID<SocketName>

/// A client's WebSocket (an extension: no revision of MCP has one): a conversation as over standard streams, one
/// message in each frame.
public struct ClientSocket {
  public let connection: ConnectionID
  private let viewWord: UInt16
  /// What `initialize` opened on it; a modern client has none.
  public var session: Session?

  init(_ connection: ConnectionID, _ view: CatalogueView) {
    self.connection = connection
    viewWord = view.word
  }

  /// Which upstreams the client's URL names.
  public var view: CatalogueView { CatalogueView(word: viewWord) }
}

/// The WebSockets of one worker's clients: messages go as they are, the answers among them.
public final class WebSocketTransport: ClientTransport {
  private let context: DeliveryContext
  private let loop: EventLoop
  private let body: Scratch
  private let slow: SlowReaders
  private let ends: SessionEnds
  private var table: SlotTable<SocketName, ClientSocket>
  /// Called when one is gone, before its calls and its session end; set once, by who knows what else it carries.
  var gone: ((ConnectionID) -> Void)?

  init(_ context: DeliveryContext, _ slow: SlowReaders, _ ends: SessionEnds) {
    self.context = context
    loop = context.loop
    body = context.worker.body
    self.slow = slow
    self.ends = ends
    table = SlotTable(worker: context.index)
  }

  // MARK: The table

  var count: Int { table.count }

  public func find(_ id: SocketID) -> ClientSocket? { table.find(id) }

  /// The WebSocket on that connection; nil once it is gone.
  func id(of connection: ConnectionID) -> SocketID? {
    let tag = loop.tag(of: connection)
    switch TagKind(of: tag) {
    case .socket, .echo:
      let id = SocketID(rawValue: TagKind.value(of: tag))
      return table.contains(id) ? id : nil
    default: return nil
    }
  }

  /// The connection has become one. False if there are as many as a worker can name.
  @discardableResult
  public func opened(_ connection: ConnectionID, _ view: CatalogueView, as kind: TagKind = .socket) -> Bool {
    guard let id = table.insert(ClientSocket(connection, view)) else {
      loop.webSockets.close(connection, code: GatewayError.overloaded.closeCode ?? 1011)
      return false
    }
    loop.setTag(connection, kind.tag(id.rawValue))
    return true
  }

  public func open(_ session: Session, on id: SocketID) { table.change(id) { $0.session = session } }

  // MARK: Answers

  public func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan, of session: Session?) {
    send(message, reply)
  }

  public func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era, of session: Session?) {
    body.clear()
    body.buffer.append(error, id: id, to: era)
    send(body.bytes(of: self), reply)
  }

  public func accept(_ reply: ReplyTo) {}

  public func beginEvents(_ reply: ReplyTo, of session: Session?, _ revision: Revision) -> EventLog.StreamNumber? {
    nil
  }

  public func write(
    _ message: RawSpan, to reply: ReplyTo, _ stream: EventLog.StreamNumber?, of session: Session?, source: CallID?,
    last: Bool
  ) { send(message, reply.unasked, source: source) }

  public func endEvents(_ reply: ReplyTo, _ stream: EventLog.StreamNumber, of session: Session?, hasLeft: Bool) {}

  public func close(_ reply: ReplyTo) { loop.abort(reply.connection) }

  // MARK: Messages

  /// Sends a message, for one of this worker's calls if it belongs to one.
  ///
  /// What an HTTP upstream sends is not read until the client has taken what there is. Where nothing can be paused a
  /// client with too much to catch up with is let go: there is no resumption, so it gets as much time as with HTTP+SSE.
  public func send(_ message: RawSpan, _ reply: ReplyTo, source: CallID? = nil) {
    let connection = reply.connection
    context.worker.tallies.count(.sentWebSocket, message.byteCount)
    guard loop.webSockets.send(connection, message, binary: reply.isBinary) == .full else { return }
    if let source, context.delegate.pauseSource(of: source) { return }
    letGoIfBehind(connection, message.byteCount)
  }

  /// The same for a message that goes to all of these, encoded once.
  func broadcast(_ message: RawSpan, to connections: [ConnectionID]) {
    let broadcast = Broadcast(message)
    context.worker.tallies.count(.sentWebSocket, message.byteCount * connections.count)
    for connection in connections where loop.webSockets.send(connection, broadcast) == .full {
      letGoIfBehind(connection, message.byteCount)
    }
  }

  private func letGoIfBehind(_ connection: ConnectionID, _ length: Int) {
    guard let id = id(of: connection) else { return }
    guard loop.queued(connection) - length > context.settings.resultLimit else {
      return slow.note(connection, of: find(id)?.session)
    }
    close(id, .overloaded)
  }

  // MARK: The end

  /// Ends a WebSocket for that reason.
  func close(_ id: SocketID, _ reason: GatewayError) {
    guard let socket = find(id) else { return }
    loop.setTag(socket.connection, 0)
    loop.webSockets.close(socket.connection, code: reason.closeCode ?? 1011)
    gone(id)
  }

  /// With its socket a client is gone: its calls are cancelled, its session ends.
  public func gone(_ id: SocketID) {
    guard let socket = table.remove(id) else { return }
    gone?(socket.connection)
    context.delegate.abandonCalls(over: socket.connection)
    if let session = socket.session { ends.end(session) }
  }

  /// Ends a connection that does not read, if it is a WebSocket.
  func cut(_ connection: ConnectionID) -> Bool {
    guard let id = id(of: connection) else { return false }
    close(id, .overloaded)
    return true
  }

  /// The server that these looked at is there no more.
  func closeAll(to view: CatalogueView) {
    for id in table.ids(where: { $0.view == view }) { close(id, GatewayError(.draining)) }
  }

  func closeAll() { for id in table.ids(where: { _ in true }) { close(id, GatewayError(.draining)) } }

  // MARK: Draining

  /// Those without calls are closed; the others when their last call has been answered.
  func drain() { for id in table.ids(where: { _ in true }) { closeIfDrained(id) } }

  /// A call that came over that WebSocket has been answered.
  public func closeIfDrained(_ connection: ConnectionID) {
    if let id = id(of: connection) { closeIfDrained(id) }
  }

  private func closeIfDrained(_ id: SocketID) {
    guard let connection = find(id)?.connection, !context.delegate.hasCalls(over: connection) else { return }
    close(id, GatewayError(.draining))
  }
}
