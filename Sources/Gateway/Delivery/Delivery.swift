import MCP
import Reactor
import Wire

/// What one loop has to tell clients of another's.
enum DeliveryLetter: Sendable {
  /// For a stream that is written there.
  case event(EventParcel)
  /// For a WebSocket, or several.
  case message([UInt8], to: ConnectionID)
  case broadcast([UInt8], to: [ConnectionID])
  case listsChanged(ListChange)
  case resourceUpdated(ResourceUpdate)
  /// The stream that a connection reads has come to its end.
  case endReading(ConnectionID, of: Session)
  /// Another connection has taken it up.
  case dropReader(ConnectionID, of: Session)
  /// The session is gone.
  case sessionEnded(ConnectionID, of: Session)
  /// There is more to tell in the next turn.
  case goOn
}

/// What goes to clients of one worker without having been asked for.
final class Delivery: LetterReader {
  let context: WorkerContext
  private let mail: Mailboxes<DeliveryLetter>
  private unowned(unsafe) var owner: Worker?
  private let fanOut = FanOut()
  // How clients are spoken to, by their kind.
  let answers: HTTPAnswers
  let http: HTTPTransport
  let eventStreams = EventStreamTransport()
  let sockets: WebSocketTransport
  private let nowhere = NoTransport()

  init(_ context: WorkerContext, _ mail: Mailboxes<DeliveryLetter>) {
    self.context = context
    self.mail = mail
    answers = HTTPAnswers(context)
    http = HTTPTransport(context, answers)
    sockets = WebSocketTransport(context)
  }

  /// What speaks to the client that is to be answered there.
  func transport(_ reply: ReplyTo) -> any ClientTransport {
    switch reply.kind {
    case .post: http
    case .socket: sockets
    case .eventStream: eventStreams
    case .nobody: nowhere
    }
  }

  /// Letters are opened from here on.
  func begin(for worker: Worker) {
    unsafe owner = worker
    http.begin(for: worker)
    eventStreams.begin(for: worker)
    sockets.begin(for: worker)
    mail.open(context.index, for: self)
  }

  func close() { mail.close(context.index) }

  private var worker: Worker { unsafe owner! }

  // MARK: Letters

  func open(_ letter: DeliveryLetter) {
    switch letter {
    case .event(let parcel): worker.deliver(parcel)
    case .message(let message, let socket):
      worker.send(message.rawBytes, SocketReply(connection: socket, isBinary: false))
    case .broadcast(let message, let sockets): broadcast(message, to: sockets)
    case .listsChanged(let change): tell(ListRound(change, on: worker))
    case .resourceUpdated(let update): worker.tellListens(update)
    case .endReading(let reader, let session): worker.endReading(reader, of: session)
    case .dropReader(let reader, let session): worker.dropReader(reader, of: session)
    case .sessionEnded(let reader, let session): sessionEnded(reader, of: session)
    case .goOn: if fanOut.goOn(now: context.now) { send(.goOn, to: context.index) }
    }
  }

  func send(_ letter: DeliveryLetter, to loop: Int) { mail.send(letter, to: loop) }

  /// Opens it at once where it is for this loop.
  func hand(_ letter: DeliveryLetter, to loop: Int) {
    if loop == context.index { open(letter) } else { send(letter, to: loop) }
  }

  private func broadcast(_ message: [UInt8], to sockets: [ConnectionID]) {
    // Encoded once for all of them.
    let broadcast = Broadcast(message.rawBytes)
    for socket in sockets { worker.send(broadcast, message.count, to: socket) }
  }

  // MARK: Rounds

  /// Begins to tell something to many.
  func tell(_ round: some Round) {
    if fanOut.begin(round, now: context.now) { send(.goOn, to: context.index) }
  }

  /// Tells a client what is on its way to it, before it gets an answer that knows of that already.
  func catchUp(_ session: Session) {
    mail.openNow(context.index)
    for change in worker.gateway.listNews.pending where session.claim(change.serial) && session.overlay == nil {
      let notices = ListNotices()
      notices.tell(change.forSessions[session.view], to: session, on: worker)
      notices.finish(on: worker)
    }
  }

  /// The same for a WebSocket without a session, which may have listens.
  func catchUp(_ socket: ConnectionID) {
    guard worker.socketListens[socket] != nil else { return }
    for change in worker.gateway.listNews.pending {
      for stream in acknowledgedListens where stream.connection == socket { tell(change, on: stream) }
    }
  }

  // MARK: Listens

  /// Those that there are now.
  var acknowledgedListens: [ListenStream] { worker.listens.compactMap { $0.value.isAcknowledged ? $0.key : nil } }

  /// A listen is told of a change of what all see, once for each kind.
  func tell(_ change: ListChange, on stream: ListenStream) {
    guard let listen = worker.listens[stream], listen.told < change.serial else { return }
    listen.told = change.serial
    let changed = change.forListens[listen.view]
    for kind in ListKind.allCases where kind.isTold(among: changed) && listen.filter.kinds.contains(ListKinds(kind)) {
      var message = ByteBuffer(capacity: 192)
      message.append(changed: kind, subscriptionID: listen.subscriptionID.bytes)
      worker.write(message.bytes, on: stream)
    }
  }

  // MARK: Sessions

  /// A stream of this worker's whose session has ended, behind all that was told on it.
  private func sessionEnded(_ reader: ConnectionID, of session: Session) {
    if worker.isClosing, worker.streamReaders[reader] === session { worker.writeRetry(reader, worker.drainedRetry()) }
    worker.endReading(reader, of: session)
  }

  /// What sessions of this worker have no use for any more goes, a few in each turn of the loop.
  func reap(before start: Int = .max, _ done: @escaping () -> Void) {
    var place = start
    let (now, idle) = (context.now, context.settings.sessionIdleTimeout)
    for session in worker.gateway.sessions.slice(of: context.index, before: &place, atMost: 256) {
      session.withState { $0.log.expire(now: now) }
      if session.isIdle(for: idle, now: now) { worker.end(session) }
    }
    guard place > 0 else { return done() }
    context.timers.after(milliseconds: 1) { [unowned self] in reap(before: place, done) }
  }
}
