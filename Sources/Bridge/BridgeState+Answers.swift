import MCP
import Wire

/// What the server says: answers, refusals and what helps against them.
extension BridgeState {
  private static let mostResumptions = 5
  private static let mostPages = 100
  /// How long the end of an answer is waited for whose message has come.
  private static let lingering: UInt64 = 1000
  /// HeaderMismatch
  private static let headerMismatch: Int64 = -32020

  mutating func deliver(_ bytes: [UInt8], of number: ExchangeID, at now: UInt64) {
    guard let exchange = exchanges[number] else { return }
    let message = Message(bytes)
    guard message.kind != .invalid else {
      return actions.append(.remark("\(place) sent what is no JSON-RPC message"))
    }
    guard exchange.purpose != .stream, message.answers(exchange.message) else {
      // What comes beside an answer that the client has not asked for is not the client's.
      if exchange.purpose == .client || exchange.purpose == .stream { actions.append(.write(bytes)) }
      return
    }
    exchanges[number]?.isAnswered = true
    switch exchange.purpose {
    case .listing(let call): listed(message, for: call, at: now)
    case .reopening:
      conversation.version = message.negotiatedVersion
      if conversation.version == nil { failReopening(at: now) } else { reopen(at: now) }
    default:
      if relists(message, number, refusal: bytes, at: now) { return }
      if exchange.message?.methodCode == .initialize { conversation.version = message.negotiatedVersion }
      if exchange.isModern, exchange.message?.methodCode == .toolsList { _ = learn(bytes) }
      actions.append(.write(bytes))
    }
    linger(number, exchange, at: now)
  }

  /// The answer has come; its connection is worth waiting for the end of what carries it.
  private mutating func linger(_ number: ExchangeID, _ exchange: Exchange, at now: UInt64) {
    guard exchanges[number] != nil else { return }
    settle(number, exchange)
    guard exchange.reader.media == .events else { return finish(number, at: now) }
    exchanges[number]?.phase = .lingering
    actions.append(.wake(.exchange(number), milliseconds: Self.lingering))
    advance(at: now)
  }

  /// The answer was an HTTP error: whatever JSON-RPC error its body holds is about this request.
  mutating func refused(_ number: ExchangeID, _ body: [UInt8], at now: UInt64) {
    guard let exchange = exchanges[number] else { return }
    let status = exchange.status
    if exchange.resumptions > 0 { return broken(number, Loss(.broken, "it answered \(status)"), at: now) }
    if status == 404, exchange.session != nil, !exchange.isRepeated, exchange.purpose == .client {
      return renew(number, at: now)
    }
    let error = Message.error(in: body, for: exchange.id)
    if let error, relists(Message(error), number, refusal: error, at: now) { return }
    guard exchange.purpose == .client, exchange.id != nil else {
      let method = exchange.message?.method.rawBytes.text ?? ""
      return fail(number, "\(place) answered \(status) to \(method)", at: now)
    }
    guard let error else {
      let hint =
        switch status {
        case 401, 403: "; give it an Authorization with --header"
        case 404, 405: "; it is no Streamable HTTP endpoint"
        default: ""
        }
      return fail(number, "\(place) answered \(status)\(hint)", at: now)
    }
    actions.append(.write(error))
    finish(number, at: now)
  }

  /// A stream ended before the answer. In a session it can be resumed after its last event.
  mutating func broken(_ number: ExchangeID, _ loss: Loss?, at now: UInt64) {
    guard let exchange = exchanges[number] else { return }
    let cursor = exchange.reader.cursor
    if exchange.purpose == .client, exchange.isRequest, exchange.session != nil, conversation.session != nil,
      cursor.id != nil, exchange.resumptions < Self.mostResumptions
    {
      exchanges[number]?.resumptions += 1
      exchanges[number]?.phase = .resting
      actions.append(.wake(.exchange(number), milliseconds: cursor.retry ?? 1000))
      return
    }
    guard exchange.isRequest || exchange.purpose != .client else { return finish(number, at: now) }
    fail(number, loss.map { "\(place): \($0)" } ?? "\(place) sent no answer to the request", at: now)
  }

  // MARK: Lists of tools

  private mutating func learn(_ answer: [UInt8]) -> ToolParameters.Page? {
    let page = tools.learn(from: answer)
    for (tool, reason) in page?.faults ?? [] {
      actions.append(.remark("\(place): the tool \(tool) can't be called with headers: \(reason)"))
    }
    return page
  }

  /// Whether the tools are listed again, since the server finds the headers of a call wrong. The call is repeated once.
  private mutating func relists(_ answer: Message, _ number: ExchangeID, refusal: [UInt8], at now: UInt64) -> Bool {
    guard answer.errorCode == Self.headerMismatch, let exchange = exchanges[number], exchange.purpose == .client,
      exchange.isModern, exchange.message?.methodCode == .toolsCall, exchange.relisted == 0
    else { return false }
    exchanges[number]?.isAnswered = false
    exchanges[number]?.refusal = refusal
    if exchange.reader.media == .events { actions.append(.abandon(number)) }
    list(after: nil, for: number, at: now)
    return true
  }

  private mutating func list(after cursor: [UInt8]?, for call: ExchangeID, at now: UInt64) {
    guard let message = exchanges[call]?.message else { return }
    exchanges[call]?.phase = .relisting
    exchanges[call]?.relisted += 1
    let listing = Message.toolsList(after: cursor, like: message)
    enqueue(add(Exchange(.listing(for: call), listing, arrival: now)), at: now)
  }

  private mutating func listed(_ answer: Message, for call: ExchangeID, at now: UInt64) {
    guard let exchange = exchanges[call], exchange.phase == .relisting else { return }
    guard let page = learn(answer.bytes) else { return fail(call, "\(place) does not list its tools", at: now) }
    let isThere = exchange.message?.name.map(page.names.contains) ?? true
    if !isThere, let cursor = page.nextCursor, exchange.relisted < Self.mostPages {
      return list(after: cursor, for: call, at: now)
    }
    exchanges[call]?.refusal = nil
    enqueue(call, at: now)
  }

  // MARK: Sessions

  /// Opens a session in place of one that the server no longer knows, as after its restart, and sends what met its loss
  /// once more.
  private mutating func renew(_ number: ExchangeID, at now: UInt64) {
    exchanges[number]?.isRepeated = true
    guard let exchange = exchanges[number], conversation.session == exchange.session else {
      return enqueue(number, at: now)
    }
    guard let greeting else { return fail(number, Self.noSession, at: now) }
    conversation = RequestWriter.Conversation()
    let reopening = add(Exchange(.reopening, greeting, arrival: now))
    opening = reopening
    enqueue(number, at: now)
    enqueue(reopening, at: now)
  }

  private static let noSession = "the session has ended, and no new one could be opened"

  private mutating func reopen(at now: UInt64) {
    let initialized = Message(Array(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.utf8))
    let number = add(Exchange(.reopened, initialized, arrival: now))
    opening = number
    enqueue(number, at: now)
  }

  mutating func failReopening(at now: UInt64) {
    conversation = RequestWriter.Conversation()
    for number in queue where exchanges[number]?.isRepeated == true && exchanges[number]?.session != nil {
      fail(number, Self.noSession, at: now)
    }
  }

  // MARK: The session's own stream

  /// Hears what the server says without having been asked.
  mutating func listen(at now: UInt64) {
    if let stream { cancel(stream) }
    guard let session = conversation.session else { return }
    var exchange = Exchange(.stream, nil, arrival: now)
    exchange.session = session
    let number = add(exchange)
    stream = number
    streamPause = Self.firstPause
    request(number, writer.stream(conversation, after: nil))
  }

  private static let firstPause: UInt64 = 1000
  private static let longestPause: UInt64 = 30_000

  /// It is opened again whenever it ends, unless the server has none.
  mutating func streamEnded(_ number: ExchangeID, at now: UInt64) {
    guard let exchange = exchanges[number] else { return }
    let hasNone = exchange.hasBegun && [404, 405, 501].contains(exchange.status)
    guard !hasNone, exchange.session == conversation.session else {
      if stream == number { stream = nil }
      return finish(number, at: now)
    }
    streamPause =
      exchange.hasBegun && exchange.status == 200 ? Self.firstPause : min(streamPause * 2, Self.longestPause)
    exchanges[number]?.phase = .resting
    actions.append(.wake(.exchange(number), milliseconds: exchange.reader.cursor.retry ?? streamPause))
  }
}
