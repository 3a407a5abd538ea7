public import Front
public import Reactor
public import Wire

/// Answers operators on the admin listener: finds the route, writes what its handler answers, and gives streams their
/// turns. Touched on the control loop alone.
public final class AdminServer: AdminService {
  /// Milliseconds of a turn of the control loop that streams may use together. With one piece more it stays well below
  /// the 5 ms after which calls would notice.
  private static let turn: UInt64 = 2

  private struct OpenStream {
    var connection: AdminConnection
    var source: any AdminStream
  }

  private let view: any GatewayView
  private let routes: RouteTable<AdminHandler>
  /// Milliseconds of any clock that goes on while a turn lasts.
  private let clock: () -> UInt64
  private var streams: [ConnectionID: OpenStream] = [:]
  private var turns = StreamTurns()
  /// The next turn is arranged for.
  private var isWaiting = false
  private var piece: [UInt8] = []

  public init(
    _ view: any GatewayView, routes: RouteTable<AdminHandler> = .all,
    clock: @escaping () -> UInt64 = { System.uptime }
  ) {
    self.view = view
    self.routes = routes
    self.clock = clock
  }

  public func serve(_ head: RequestHead, _ body: RawSpan, over connection: AdminConnection) {
    let request = AdminRequest(head, body)
    let reply = routes.answer(to: request, view)
    let isHead = request.method == .head
    let headers = Array(reply.headers.utf8)
    let replyHead = EventLoop.ReplyHead(reply.status, reply.contentType, headers: headers.rawBytes)
    switch reply.content {
    case .whole(let bytes): connection.reply(replyHead, bytes.rawBytes)
    case .stream(let source):
      guard connection.begin(replyHead) != .stale else { return source.cancel() }
      guard !isHead else {
        source.cancel()
        return connection.end()
      }
      streams[connection.id] = OpenStream(connection: connection, source: source)
      turns.opened(connection.id)
      if !isWaiting { giveTurns() }
    }
  }

  public func drained(_ id: ConnectionID) {
    act(turns.drained(id), id)
    if !isWaiting { giveTurns() }
  }

  public func ended(_ id: ConnectionID) { act(turns.left(id), id) }

  // MARK: Streams

  /// One piece after the other, of each stream in its turn, until none is due or the time is used up.
  private func giveTurns() {
    let end = clock() + Self.turn
    while clock() < end {
      guard let id = turns.next() else { return }
      guard let stream = streams[id] else { continue }
      piece.removeAll(keepingCapacity: true)
      let step = stream.source.next(&piece)
      let bytes = piece
      act(turns.wrote(id, step, bytes.isEmpty ? .taken : stream.connection.write(bytes.rawBytes)), id)
    }
    waitForTurn()
  }

  private func waitForTurn() {
    guard turns.isSomeoneDue, let id = streams.keys.first, let connection = streams[id]?.connection else { return }
    isWaiting = true
    connection.after(milliseconds: 0) { [weak self] in
      self?.isWaiting = false
      self?.giveTurns()
    }
  }

  private func act(_ action: StreamTurns.Action, _ id: ConnectionID) {
    guard let stream = streams[id] else { return }
    switch action {
    case .none: break
    case .rest(let milliseconds):
      stream.connection.after(milliseconds: milliseconds) { [weak self] in self?.rested(id) }
    case .end:
      streams[id] = nil
      stream.connection.end()
    case .cancel:
      streams[id] = nil
      stream.source.cancel()
    }
  }

  private func rested(_ id: ConnectionID) {
    turns.rested(id)
    if !isWaiting { giveTurns() }
  }
}
