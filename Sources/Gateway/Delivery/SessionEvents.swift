import Reactor
import Wire

/// What is told on the streams and WebSockets of sessions, wherever those are.
extension Worker {
  /// Takes an event to the connection that reads its stream.
  func perform(_ delivery: EventLog.Delivery, session: Session, source: CallID? = nil) {
    guard let reader = delivery.reader else { return }
    guard reader.worker == index else {
      return gateway.send(EventParcel(event: delivery.event, reader: reader, session: session, isCounted: false))
    }
    write(delivery.event, to: reader, of: session, source: source)
  }

  /// A message that belongs to no call, on one of the session's streams.
  ///
  /// False if it has none, and the message is lost.
  @discardableResult
  func emit(_ message: RawSpan, to session: Session, isKnown: Bool = false) -> Bool {
    guard let socket = session.socket else { return emit(EventLog.encode(message), to: session, isKnown: isKnown) }
    let reply = SocketReply(connection: socket, isBinary: false)
    if socket.worker == index {
      send(message, reply)
    } else {
      let bytes = message.array
      delivery.send(.message(bytes, to: socket), to: socket.worker)
    }
    return true
  }

  /// An encoded one, which others may get too.
  /// - Parameter isKnown: whether a process that takes this one's place comes to know of it by itself.
  @discardableResult
  func emit(_ frame: Frame, to session: Session, isKnown: Bool = false) -> Bool {
    let (gateway, index) = (gateway, index)
    var isHeld = false
    let taken: (delivery: EventLog.Delivery?, isKept: Bool) = session.withState { state in
      if state.isLeft || gateway.hasLeftSessions, let relay = gateway.successor.relay,
        isKnown || relay.add(SessionRecord(session.id, .message(frame)))
      {
        return (nil, true)
      }
      guard let stream = state.log.standalone else { return (nil, false) }
      isHeld = state.log.isForeign(stream)
      guard !isHeld, let delivery = state.log.append(frame, to: stream) else { return (nil, isHeld) }
      gateway.tell(of: stream, frame, in: state, session)
      guard let reader = delivery.reader, !state.log.mayWrite(to: stream, on: index) else {
        return (delivery, true)
      }
      // Sent under the lock: so events of several workers arrive in the order of their ids.
      gateway.send(EventParcel(event: delivery.event, reader: reader, session: session, isCounted: true))
      return (nil, true)
    }
    // Numbers are the other process's to give yet.
    if isHeld, !gateway.inheritance.hold(frame, for: session.id) {
      // They are not any more, also those of a stream that it told of too late.
      session.withState { $0.log.takeOver() }
      return emit(frame, to: session, isKnown: isKnown)
    }
    if let delivery = taken.delivery, let reader = delivery.reader {
      write(delivery.event, to: reader, of: session, atOnce: true)
    }
    return taken.isKept
  }

  /// Writes what another loop has sent for a stream of this one.
  func deliver(_ parcel: EventParcel) {
    if parcel.isCounted { parcel.session.withState { $0.log.arrived(on: parcel.event.stream) } }
    // The connection may be at something else by now; then whoever takes up the stream finds the event in the log.
    guard streamReaders[parcel.reader] === parcel.session else { return }
    write(parcel.event, to: parcel.reader, of: parcel.session, atOnce: true)
  }

  /// An event on a connection of this worker, under its id.
  @discardableResult
  func write(_ event: EventLog.Event, on reader: ConnectionID, atOnce: Bool = false) -> WriteOutcome {
    idLine.buffer.clear()
    event.appendIDLine(to: &idLine.buffer)
    return loop.writeStream(reader, event.frame, after: idLine.bytes(of: self), atOnce: atOnce)
  }

  private func write(
    _ event: EventLog.Event, to reader: ConnectionID, of session: Session, source: CallID? = nil,
    atOnce: Bool = false
  ) {
    guard write(event, on: reader, atOnce: atOnce) == .full else { return }
    if let source, pauseSource(of: source) { return }
    // Nothing upstream can be paused for a stream that a child or many feed. One event may be as large as it likes, but a
    // reader that has so much to catch up with is let go, and may resume. HTTP+SSE knows no resumption: it gets more time.
    let limit = session.transport == .eventStream ? settings.resultLimit : settings.configuration.sessions.replay
    if loop.queued(reader) - event.frame.count > limit {
      letGo(reader, of: session)
    } else {
      noteUnread(reader, of: session)
    }
    if let source, session.withState({ !$0.log.readers.contains(reader) }) { clientGone(source) }
  }

  private func letGo(_ connection: ConnectionID, of session: Session) {
    loop.setTag(connection, 0)
    loop.abort(connection)
    if streamReaders[connection] != nil { return streamReaderGone(connection, tag: tag(.eventStream)) }
    let now = now
    _ = session.withState { $0.log.detach(connection, now: now) }
  }
}
