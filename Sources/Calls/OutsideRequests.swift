import Clusters
import Delivery
import MCP
import OpenCalls
import Reactor
import SessionStore
import Sessions
import Translation
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// A server's request outside of calls: the client on whose behalf the server works is asked. Goes on elsewhere if need be:
/// calls of one conversation may be on every worker.
final class OutsideRequests {
  private let context: CallsContext
  private let shared: CallsShared
  private let sessions: SessionsShared
  private let worker: WorkerContext
  private let requests: Requests
  private let messages: UpstreamMessages
  private let open: OpenCalls
  private let reverse: ReverseRequests

  init(_ context: CallsContext, _ open: OpenCalls, _ reverse: ReverseRequests) {
    self.context = context
    shared = context.shared
    sessions = context.sessions
    worker = context.worker
    requests = context.requests
    messages = context.upstream.messages
    self.open = open
    self.reverse = reverse
  }

  func ask(_ request: Envelope, _ conversation: UpstreamSession, _ opened: UpstreamSession.Open) {
    guard request.id != nil else { return }
    if request.method == .ping { return messages.answer(request, conversation.cluster, opened, result: "{}") }
    look(OutsideQuestion(request.message.array, conversation, opened, home: context.index))
  }

  // MARK: Whose it is

  /// Asks one loop after the other for calls that are on their way in the conversation.
  private func look(_ question: OutsideQuestion) {
    if context.index == 0 { gather(question, []) } else { context.send(.gather(question, []), to: 0) }
  }

  /// Calls of clients that are on their way in a conversation, on this worker and those after it. What waits to be sent
  /// is not: the server knows nothing of it.
  func gather(_ question: OutsideQuestion, _ known: [OutsideRequest.Call]) {
    let mine = requests.ids {
      $0.session === question.conversation && $0.isClients && $0.opened?.isSame(as: question.opened) == true
    }
    let calls =
      known
      + mine.compactMap { id in
        guard let call = requests.find(id).flatMap(open.find), call.isAwaited else { return nil }
        return OutsideRequest.Call(id: call.id, session: call.session?.id)
      }
    guard context.index + 1 < shared.group.workerCount else {
      return context.send(.gathered(question, calls), to: question.home)
    }
    context.send(.gather(question, calls), to: context.index + 1)
  }

  func gathered(_ question: OutsideQuestion, _ calls: [OutsideRequest.Call]) {
    let session = question.conversation.owner.flatMap(sessions.find)
    let isHeard = session.map { $0.socket != nil || $0.withState { $0.log.standalone != nil } } ?? false
    switch OutsideRequest.addressee(owner: session?.id, isHeard: isHeard, calls: calls) {
    case .call(let call):
      for other in calls where other.id != call { grant(other.id) }
      let isGuess = calls.count > 1
      if call.worker == context.index {
        ask(question, in: call, isGuess: isGuess)
      } else {
        context.send(.ask(call, question, isGuess: isGuess), to: call.worker)
      }
    case .owner:
      guard let session else { return }
      // A human may be asked, and any of the calls may wait for that.
      for call in calls { grant(call.id) }
      ask(question, of: session)
    case .nobody:
      refuse(question, code: -32601) { "nobody here can answer \($0)" }
    case .unclear:
      let alias = question.conversation.cluster.alias
      refuse(question, code: -32602) { _ in
        "it can't be told which client this request is for; configure `isolation: session` for \"\(alias)\""
      }
    }
  }

  // MARK: To a client

  /// In the course of a call of this worker's.
  func ask(_ question: OutsideQuestion, in id: CallID, isGuess: Bool) {
    if let request = open.find(id)?.request, request.session === question.conversation,
      request.opened?.isSame(as: question.opened) == true
    {
      let message = question.message
      return reverse.asked(message.rawBytes, in: request, isGuess: isGuess)
    }
    guard question.attempts > 1 else {
      return refuse(question, code: -32601) { "nobody here waits for \($0) any more" }
    }
    // It has ended meanwhile, and so is not the one that the server works on.
    look(question.again(on: context.index))
  }

  private func grant(_ call: CallID) {
    if call.worker == context.index {
      grantInteraction(call)
    } else {
      context.send(.grantInteraction(call), to: call.worker)
    }
  }

  func grantInteraction(_ call: CallID) {
    open.find(call)?.extend(to: context.now + context.settings.interactionTimeout)
  }

  /// On a stream of the client's own.
  private func ask(_ question: OutsideQuestion, of session: Session) {
    let message = question.message
    let envelopes = worker.answerScanner
    let envelope = envelopes.scan(message.rawBytes, depth: worker.limits.depth)
    guard let id = envelope.id, session.canBeAsked(envelope.method) else {
      return refuse(question, code: -32601) { "nobody here can answer \($0)" }
    }
    guard !reverse.isAmongSeveral(envelope, session.view) else {
      return refuse(question, code: -32601) {
        GatewayError.amongSeveral($0, "this server for clients that know it").phrase
      }
    }
    let entry = Reverse(
      session: session, upstreamID: Token(id), opened: question.opened, cluster: question.conversation.cluster,
      call: .none)
    guard let number = open.reverses.make(entry) else {
      return refuse(question, code: -32603) { _ in "the client has too many open requests" }
    }
    context.delivery.ends.begins(in: session)
    worker.splice.reset()
    if let place = envelope.idSlice { worker.splice.replace(place, withDecimal: number.rawValue) }
    var asked = ByteBuffer(capacity: message.count + 32)
    if worker.splice.write(envelope.message, into: &asked), context.delivery.messages.emit(asked.bytes, to: session) {
      return
    }
    _ = open.reverses.take(number, from: session)
    refuse(question, code: -32601) { _ in "the client does not listen" }
  }

  private func refuse(_ question: OutsideQuestion, code: Int, _ why: (String) -> String) {
    let message = question.message
    let envelopes = worker.answerScanner
    let envelope = envelopes.scan(message.rawBytes, depth: worker.limits.depth)
    messages.refuse(
      envelope, question.conversation.cluster, question.opened, code: code, why(envelope.methodName.text))
  }
}
