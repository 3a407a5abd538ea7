import MCP
import Wire

/// Questions that a human answers at a URL (2025-11-25): the server says when that is done, with or without a call under
/// way, and only to the client that was asked.
extension Worker {
  /// A server's question goes to the client of a call.
  func noteElicitation(_ envelope: Envelope, of call: Call, _ request: UpstreamRequest) {
    guard envelope.method == .elicitationCreate, JSON.isString(envelope.value(Param.mode), "url"),
      let token = envelope.value(Param.elicitationID)
    else { return }
    note(elicitation: token, of: call, request)
  }

  /// A call failed because a human has to go to a URL first (-32042).
  func noteRequiredElicitations(_ envelope: Envelope, of call: Call, _ request: UpstreamRequest) {
    guard envelope.errorCode == -32042, let data = envelope.value(ErrorKey.data), JSON.kind(of: data) == .object,
      let list = JSON.find("elicitations", in: data), JSON.kind(of: list) == .array
    else { return }
    var items = JSON.items(of: list)
    var room = AskedElicitations.mostOfSession
    while room > 0, let item = items.next() {
      room -= 1
      let entry = items.value(of: item)
      guard JSON.kind(of: entry) == .object, let token = JSON.find("elicitationId", in: entry) else { continue }
      note(elicitation: token, of: call, request)
    }
  }

  private func note(elicitation token: RawSpan, of call: Call, _ request: UpstreamRequest) {
    guard let session = call.session, let conversation = request.session, token.byteCount <= 1024,
      let id = JSON.bytes(token)
    else { return }
    conversation.asked(id, session.id, now: now)
  }

  /// Whom a server means that says that a question is done; nil if that can't be told.
  private func sessionAsked(_ envelope: Envelope, in conversation: UpstreamSession) -> SessionID? {
    if let owner = conversation.owner { return owner }
    guard let token = envelope.value(Param.elicitationID), token.byteCount <= 1024, let id = JSON.bytes(token) else {
      return nil
    }
    return conversation.session(asked: id, now: now)
  }

  /// A question is done.
  func elicitationCompleted(_ envelope: Envelope, _ voice: UpstreamVoice) {
    let asked = voice.session.flatMap { sessionAsked(envelope, in: $0) }
    switch voice {
    case .request(let request):
      guard let call = call(of: request) else { return }
      if let asked, asked != call.session?.id { return elicitationCompleted(envelope, for: asked) }
      forward(envelope, in: call)
    case .link(let link):
      guard let asked else { return }
      // On the stream of a call of its own, if it has one: it may listen on no other.
      if !link.tell(envelope.message, .session(asked)) { elicitationCompleted(envelope, for: asked) }
    case .stream:
      if let asked { elicitationCompleted(envelope, for: asked) }
    }
  }

  /// As the server says on no stream of the asked client's own.
  private func elicitationCompleted(_ envelope: Envelope, for id: SessionID) {
    guard let session = gateway.sessions.find(id) else { return }
    splice.reset()
    let hop = Hop(.elicitationCreate, client: session.revision, upstream: session.revision)
    var message = ByteBuffer(capacity: envelope.message.byteCount)
    guard ServerTranslation.notification(envelope, hop, splice: &splice),
      splice.write(envelope.message, into: &message)
    else { return }
    emit(message.bytes, to: session)
  }
}
