import Catalogue
import MCP
import Reactor
import ServedCatalogue
import Sessions
import UpstreamClient
import Wire
import Workers

/// What goes to clients of one worker: how each kind of them is spoken to, and what they are told without having asked. It
/// knows no call and no server that is asked; what concerns those it says to its delegate.
///
/// From the bottom: `HTTPAnswers`; `SessionEnds`; `SessionStreams` and `WebSocketTransport`, which hold what clients read;
/// the transports, by which calls are answered; `SessionMessages`, `ClientListens` and rounds, for what belongs to no call.
public final class Delivery: LetterReader {
  private let context: DeliveryContext
  public let answers: HTTPAnswers
  public let streams: SessionStreams
  public let messages: SessionMessages
  public let listens: ClientListens
  public let ends: SessionEnds
  public let interests: InterestNotices
  private let slow: SlowReaders
  private let fanOut = FanOut()
  // How clients are spoken to, by their kind.
  public let http: HTTPTransport
  public let sockets: WebSocketTransport
  private let eventStreams: EventStreamTransport
  private let nowhere = NoTransport()

  public init(_ worker: WorkerContext, _ shared: DeliveryShared, _ upstream: UpstreamClient) {
    context = DeliveryContext(worker, shared)
    answers = HTTPAnswers(worker, shared.heartbeat)
    slow = SlowReaders(context)
    interests = InterestNotices(context)
    ends = SessionEnds(context, upstream, interests)
    streams = SessionStreams(context, answers, slow, ends)
    sockets = WebSocketTransport(context, slow, ends)
    messages = SessionMessages(context, streams, sockets)
    listens = ClientListens(context, answers, sockets, interests)
    http = HTTPTransport(context, answers, streams, slow)
    eventStreams = EventStreamTransport(messages)
    sockets.gone = { [unowned listens] in listens.socketGone($0) }
    slow.cut = { [unowned self] in cut($0) }
  }

  /// Letters are opened from here on, until `close`.
  public func begin(for delegate: any DeliveryDelegate) { context.begin(self, delegate) }

  public func close() { context.close() }

  /// What speaks to the client that is to be answered there.
  public func transport(_ reply: ReplyTo) -> any ClientTransport {
    switch reply.kind {
    case .post: http
    case .socket: sockets
    case .eventStream: eventStreams
    case .nobody: nowhere
    }
  }

  // MARK: Letters

  public func open(_ letter: DeliveryLetter) {
    switch letter {
    case .event(let parcel): streams.deliver(parcel)
    case .message(let message, let socket): sockets.send(message.rawBytes, .socket(socket))
    case .broadcast(let message, let connections): sockets.broadcast(message.rawBytes, to: connections)
    case .listsChanged(let change): tell(ListRound(change, context, messages, listens))
    case .resourceUpdated(let update): tell(update)
    case .endReading(let reader, let session): streams.endReading(reader, of: session)
    case .dropReader(let reader, let session): streams.dropReader(reader, of: session)
    case .sessionEnded(let reader, let session): streams.sessionEnded(reader, of: session)
    case .abandonCalls(let session): context.delegate.abandonCalls(of: session)
    case .end(let session, let done):
      ends.end(session)
      done()
    case .serverGone(let view):
      listens.end { $0.view == view }
      sockets.closeAll(to: view)
    case .interestNoted(let number): interests.noted(number)
    case .goOn: if fanOut.goOn(now: context.now) { context.send(.goOn, to: context.index) }
    }
  }

  /// To another loop; opened at once where it is for this one.
  public func hand(_ letter: DeliveryLetter, to loop: Int) { context.hand(letter, to: loop) }

  // MARK: Rounds

  /// Begins to tell something to many.
  func tell(_ round: some Round) {
    if fanOut.begin(round, now: context.now) { context.send(.goOn, to: context.index) }
  }

  /// Tells the listens of this worker.
  private func tell(_ update: ResourceUpdate) {
    let groups = listens.audience(of: update)
    if !groups.isEmpty { tell(ListenUpdateRound(update, groups, listens)) }
  }

  /// Tells sessions whose subscriptions the gateway's own conversation with the upstream serves.
  public func tellSessions(_ update: ResourceUpdate) {
    let groups = context.sessions.interests.sessions(hearing: update.upstream, update.uri)
    if !groups.isEmpty { tell(SessionUpdateRound(update, groups, context.sessions.table, messages)) }
  }

  /// Tells sessions that subscribed in a conversation that they share.
  public func tell(_ update: ResourceUpdate, subscribers: [SessionID: NamedResource]) {
    tell(SubscriberUpdateRound(update, subscribers, context.sessions.table, messages))
  }

  /// Tells everybody who shares a conversation.
  public func tell(_ announcement: Announcement, _ sharers: Sharers) {
    tell(SharersRound(announcement, sharers, context.sessions.table, messages))
  }

  public func tell(_ announcement: Announcement, _ sessions: [SessionID]) {
    tell(SessionsRound(announcement, sessions, context.sessions.table, messages))
  }

  /// Tells a few sessions that lists have changed: which, for each of them.
  public func announce(to sessions: [Session], _ changed: (Session) -> ListKinds) {
    let notices = ListNotices()
    for session in sessions { notices.tell(changed(session), to: session, through: messages) }
    notices.finish(through: messages)
  }

  /// Tells a client what is on its way to it, before it gets an answer that knows of that already.
  public func catchUp(_ session: Session) {
    context.openLetters()
    for change in context.shared.listNews.pending where session.claim(change.serial) && session.overlay == nil {
      announce(to: [session]) { change.forSessions[$0.view] }
    }
  }

  /// The same for a WebSocket without a session, which may have listens.
  public func catchUp(_ socket: ConnectionID) {
    for change in context.shared.listNews.pending {
      for stream in listens.acknowledged(on: socket) { listens.tell(change, on: stream) }
    }
  }

  // MARK: The end

  /// A connection on which a stream is read, or a listen, is gone.
  public func readerGone(_ connection: ConnectionID) {
    if !listens.gone(ListenStream(connection)) { streams.readerGone(connection) }
  }

  /// An answer, or what came before it, waits for a client, and its source goes on.
  public func noteUnread(_ connection: ConnectionID, of session: Session?) { slow.note(connection, of: session) }

  /// Ends a client's connection that does not read. What a stream has missed can be replayed, as far as it is kept.
  private func cut(_ connection: ConnectionID) {
    guard !sockets.cut(connection), !streams.cut(connection) else { return }
    context.loop.abort(connection)
    for id in context.delegate.calls(answeredOn: connection, of: nil) { context.delegate.clientGone(id) }
  }

  /// Nothing new is told: clients that listen are sent away, and WebSockets without calls closed.
  public func drain() {
    listens.end()
    sockets.drain()
    streams.sendAway()
  }

  /// The end has come for what is left.
  public func end() {
    context.isClosing = true
    sockets.closeAll()
    guard context.index < context.sessions.table.workerCount else { return }
    for session in context.sessions.table.all(of: context.index) { ends.end(session) }
  }

  public var isClosing: Bool { context.isClosing }
}
