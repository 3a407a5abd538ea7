import ConfigurationSyntax
import Wire

/// What becomes of the messages between one stdio client and a Streamable HTTP endpoint, without any I/O. Times are
/// milliseconds of one clock.
///
/// Messages are sent in the order in which they came: one is written at a time, and none overtakes the opening of a session.
/// Their answers may take as long as they like, each on a connection of its own.
public struct BridgeState {
  public enum Action: Equatable, Sendable {
    /// Write this request to the server: `sent`, and `head` or `lost` follow.
    case request(ExchangeID, [UInt8])
    /// Close the exchange's connection; nothing more is wanted to be heard of it.
    case abandon(ExchangeID)
    /// One line to the client.
    case write([UInt8])
    /// One line for people.
    case remark(String)
    case wake(Alarm, milliseconds: UInt64)
    /// Nothing is left to do.
    case over
  }

  public enum Alarm: Hashable, Sendable {
    case retry
    /// Of an exchange: resume its stream, or stop waiting for its end.
    case exchange(ExchangeID)
  }

  /// How long the end of the session is waited for.
  private static let leave: UInt64 = 2000

  let place: String
  let writer: RequestWriter
  var patience: Patience
  var exchanges: [ExchangeID: Exchange] = [:]
  var lastNumber: UInt64 = 0
  /// Those that wait for their turn, the next first.
  var queue: [ExchangeID] = []
  /// The one that is being written.
  var sending: ExchangeID?
  /// The opening of a session that is under way.
  var opening: ExchangeID?
  /// Requests of the client that are not answered, by their id tokens.
  var inFlight: [[UInt8]: ExchangeID] = [:]

  var conversation = RequestWriter.Conversation()
  /// The `initialize` of the session.
  var greeting: Message?
  /// The revision that the last message of 2026-07-28 or later named.
  var lastModern: [UInt8]?
  var tools = ToolParameters()
  /// The session's own stream, and how long to wait after it has failed.
  var stream: ExchangeID?
  var streamPause: UInt64 = 0

  var hasRead = false
  var hasInputEnded = false
  var isLeaving = false
  private var isOver = false
  /// Why nobody was reached when it was last tried.
  private var absence = Loss(.absent, "nobody listens there")
  /// False if there was nothing to carry and nobody listens either.
  public private(set) var isReached = true
  var actions: [Action] = []

  public init(_ url: EndpointURL, headers: [(name: String, value: String)] = [], patience milliseconds: UInt64 = 0) {
    place = url.description
    writer = RequestWriter(url, headers: headers)
    patience = Patience(milliseconds: milliseconds)
  }

  /// Messages that wait for their turn.
  public var backlog: Int { queue.count }

  /// What is to be done since the last call.
  public mutating func takeActions() -> [Action] {
    defer { actions.removeAll(keepingCapacity: true) }
    return actions
  }

  // MARK: The client

  public mutating func line(_ bytes: [UInt8], at now: UInt64) {
    guard !isLeaving, !bytes.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) else { return }
    hasRead = true
    let message = Message(bytes)
    if let fault = message.fault {
      actions.append(.write(Message.error(fault.code, fault.text, for: message.id)))
      return
    }
    if let id = message.cancelledID, let number = inFlight[id], let exchange = exchanges[number],
      exchange.isModern || exchange.phase == .queued
    {
      // Closing the answer's stream is how 2026-07-28 cancels; and what was not sent needs no word to the server.
      cancel(number)
      return advance(at: now)
    }
    if message.methodCode == .initialize { greeting = message }
    if let version = message.modernVersion { lastModern = version }
    let number = add(Exchange(.client, message, arrival: now))
    if message.kind == .request, let id = message.id { inFlight[id] = number }
    queue.append(number)
    advance(at: now)
  }

  /// The client has said all that it had to say: what is under way is waited for, what has no end is not.
  public mutating func inputEnded(at now: UInt64) {
    guard !hasInputEnded, !isLeaving else { return }
    hasInputEnded = true
    guard hasRead else {
      let number = add(Exchange(.knock, nil, arrival: now))
      request(number, writer.knock())
      return
    }
    for (number, exchange) in exchanges where exchange.message?.methodCode == .subscriptionsListen { cancel(number) }
    if patience.isResting {
      patience.rested()
      for number in queue { fail(number, "\(place): \(absence)", at: now) }
    }
    advance(at: now)
  }

  /// The client no longer reads, or wants an end.
  public mutating func stop(at now: UInt64) {
    guard !isLeaving else { return }
    for number in exchanges.keys.sorted(by: { $0.number < $1.number }) { cancel(number) }
    queue = []
    leave(at: now)
  }

  // MARK: The server

  /// The request has been handed over whole, so that what comes next can't overtake it.
  public mutating func sent(_ number: ExchangeID, at now: UInt64) {
    guard sending == number else { return }
    sending = nil
    patience.succeeded()
    if exchanges[number]?.phase == .sending { exchanges[number]?.phase = .awaiting }
    advance(at: now)
  }

  public mutating func head(_ number: ExchangeID, _ head: AnswerHead, at now: UInt64) {
    guard var exchange = exchanges[number], exchange.phase == .sending || exchange.phase == .awaiting else { return }
    exchange.hasBegun = true
    exchange.status = head.status
    exchange.phase = .reading
    if exchange.purpose == .knock {
      actions.append(.abandon(number))
      return finish(number, at: now)
    }
    let isGood = (200..<300).contains(head.status)
    if isGood, exchange.purpose == .reopening || exchange.message?.methodCode == .initialize {
      conversation.session = head.session
    }
    let media = !isGood ? .json : exchange.hasAnswer ? head.media : .other
    exchange.reader = AnswerReader(media, after: exchange.reader.cursor)
    exchanges[number] = exchange
    sent(number, at: now)
  }

  public mutating func piece(_ number: ExchangeID, _ piece: RawSpan, at now: UInt64) {
    guard let exchange = exchanges[number], exchange.phase == .reading else { return }
    let before = exchange.reader.cursor.id
    let messages = exchanges[number]?.reader.read(piece) ?? []
    if exchanges[number]?.reader.cursor.id != before { exchanges[number]?.resumptions = 0 }
    for message in messages where exchanges[number]?.phase == .reading { deliver(message, of: number, at: now) }
    guard let reader = exchanges[number]?.reader, reader.isTooLong else { return }
    actions.append(.abandon(number))
    fail(number, "\(place) sent a message without an end", at: now)
  }

  /// The answer is complete.
  public mutating func ended(_ number: ExchangeID, at now: UInt64) {
    guard var exchange = exchanges[number] else { return }
    switch exchange.phase {
    case .lingering: return finish(number, at: now)
    case .reading: break
    default: return
    }
    let body = exchange.reader.finish() ?? []
    exchanges[number] = exchange
    switch exchange.purpose {
    case .farewell, .knock: return finish(number, at: now)
    case .stream: return streamEnded(number, at: now)
    case .client, .reopening, .reopened, .listing: break
    }
    guard (200..<300).contains(exchange.status) else { return refused(number, body, at: now) }
    if !body.isEmpty { deliver(body, of: number, at: now) }
    guard let exchange = exchanges[number], exchange.phase == .reading else { return }
    if exchange.reader.media == .events { return broken(number, nil, at: now) }
    if exchange.isRequest { return fail(number, "\(place) sent no answer to the request", at: now) }
    if exchange.message?.methodCode == .notifyInitialized { listen(at: now) }
    finish(number, at: now)
  }

  /// The connection is gone, or could not be made.
  public mutating func lost(_ number: ExchangeID, _ loss: Loss, at now: UInt64) {
    guard let exchange = exchanges[number], exchange.isUnderWay else { return }
    switch exchange.purpose {
    case .knock:
      isReached = false
      actions.append(.remark("\(place): \(loss)"))
      return finish(number, at: now)
    case .farewell:
      actions.append(.remark("the session was not ended: \(loss)"))
      return finish(number, at: now)
    case .stream: return streamEnded(number, at: now)
    case .client, .reopening, .reopened, .listing: break
    }
    if exchange.phase == .lingering { return finish(number, at: now) }
    if sending == number { sending = nil }
    if exchange.resumptions > 0 { return broken(number, loss, at: now) }
    if !exchange.hasBegun {
      if loss.kind == .absent { return absent(number, loss, at: now) }
      if loss.kind == .outdated, !exchange.isRepeated, exchange.message?.isHarmless == true {
        exchanges[number]?.isRepeated = true
        return enqueue(number, at: now)
      }
    }
    if exchange.phase == .reading, exchange.reader.media == .events { return broken(number, loss, at: now) }
    fail(number, "\(place): \(loss)", at: now)
  }

  public mutating func alarm(_ alarm: Alarm, at now: UInt64) {
    switch alarm {
    case .retry:
      patience.rested()
      advance(at: now)
    case .exchange(let number):
      guard let exchange = exchanges[number] else { return }
      switch exchange.phase {
      case .resting:
        exchanges[number]?.phase = .awaiting
        request(number, writer.stream(conversation, after: exchange.reader.cursor.id))
      case .lingering:
        actions.append(.abandon(number))
        finish(number, at: now)
      default:
        // Goodbye was said, and nobody answers.
        if exchange.purpose == .farewell { finish(number, at: now) }
      }
    }
  }

  // MARK: Sending

  mutating func add(_ exchange: Exchange) -> ExchangeID {
    lastNumber += 1
    let number = ExchangeID(number: lastNumber)
    exchanges[number] = exchange
    return number
  }

  mutating func request(_ number: ExchangeID, _ bytes: [UInt8]) {
    exchanges[number]?.hasBegun = false
    actions.append(.request(number, bytes))
  }

  /// Sends what has its turn; says goodbye once there is nothing left that anybody waits for.
  mutating func advance(at now: UInt64) {
    guard !isLeaving else { return }
    if sending == nil, !patience.isResting, let place = queue.firstIndex(where: { mayBeSent($0) }) {
      let number = queue.remove(at: place)
      sending = number
      send(number)
    }
    if hasInputEnded, !exchanges.values.contains(where: \.isCounted) { leave(at: now) }
  }

  /// Nothing overtakes the opening of a session; answers to what the server asks meanwhile don't.
  private func mayBeSent(_ number: ExchangeID) -> Bool {
    guard let opening else { return true }
    return number == opening || exchanges[number]?.message?.kind == .response
  }

  private mutating func send(_ number: ExchangeID) {
    guard let exchange = exchanges[number], let message = exchange.message else { return }
    exchanges[number]?.phase = .sending
    if exchange.isOpening { opening = number }
    let isGreeting = message.methodCode == .initialize && !exchange.isModern
    if !isGreeting, let version = message.modernVersion ?? (conversation.version == nil ? lastModern : nil) {
      return request(
        number, writer.modern(message, version: version, parameters: tools.parameters(for: message)))
    }
    exchanges[number]?.session = isGreeting ? nil : conversation.session
    request(number, writer.legacy(message, in: isGreeting ? RequestWriter.Conversation() : conversation))
  }

  /// Has its turn where it would have had it, had it not been sent before; what the bridge says itself comes first.
  mutating func enqueue(_ number: ExchangeID, at now: UInt64) {
    exchanges[number]?.phase = .queued
    let isOwn = exchanges[number]?.purpose != .client
    let place = queue.firstIndex { isOwn || $0.number > number.number && exchanges[$0]?.purpose == .client }
    queue.insert(number, at: place ?? queue.count)
    advance(at: now)
  }

  /// Nobody listens: what may wait does.
  private mutating func absent(_ number: ExchangeID, _ loss: Loss, at now: UInt64) {
    absence = loss
    exchanges[number]?.phase = .queued
    queue.insert(number, at: 0)
    let late = hasInputEnded ? queue : queue.filter { patience.isOver(for: exchanges[$0]?.arrival ?? 0, at: now) }
    queue.removeAll { late.contains($0) }
    if !queue.isEmpty {
      if !patience.isTold {
        patience.tell()
        actions.append(.remark("\(place): \(loss); waiting for it"))
      }
      actions.append(.wake(.retry, milliseconds: patience.failed()))
    }
    for number in late { fail(number, "\(place): \(loss)", at: now) }
  }

  // MARK: Ends

  mutating func finish(_ number: ExchangeID, at now: UInt64) {
    guard let exchange = exchanges.removeValue(forKey: number) else { return }
    queue.removeAll { $0 == number }
    if sending == number { sending = nil }
    settle(number, exchange)
    if exchange.purpose == .farewell || exchange.purpose == .knock { return end() }
    advance(at: now)
  }

  /// The client has what it gets of it.
  mutating func settle(_ number: ExchangeID, _ exchange: Exchange) {
    if opening == number { opening = nil }
    if let id = exchange.id, inFlight[id] == number { inFlight[id] = nil }
  }

  /// Without an answer, and without hearing of it again.
  mutating func cancel(_ number: ExchangeID) {
    guard let exchange = exchanges.removeValue(forKey: number) else { return }
    queue.removeAll { $0 == number }
    if sending == number { sending = nil }
    if stream == number { stream = nil }
    settle(number, exchange)
    if exchange.phase != .queued { actions.append(.abandon(number)) }
  }

  mutating func fail(_ number: ExchangeID, _ reason: String, at now: UInt64) {
    guard let exchange = exchanges[number] else { return }
    switch exchange.purpose {
    case .client:
      if exchange.isAnswered { break }
      if let refusal = exchange.refusal {
        actions.append(.write(refusal))
      } else if let id = exchange.id {
        actions.append(.write(Message.error(-32603, reason, for: id)))
      } else {
        actions.append(.remark(reason))
      }
    case .reopening: failReopening(at: now)
    case .reopened: actions.append(.remark(reason))
    case .listing(let call): fail(call, reason, at: now)
    case .stream, .farewell, .knock: actions.append(.remark(reason))
    }
    finish(number, at: now)
  }

  /// Ends the session, as a good client does.
  private mutating func leave(at now: UInt64) {
    isLeaving = true
    for number in exchanges.keys.sorted(by: { $0.number < $1.number }) { cancel(number) }
    guard conversation.session != nil else { return end() }
    let number = add(Exchange(.farewell, nil, arrival: now))
    request(number, writer.farewell(conversation))
    actions.append(.wake(.exchange(number), milliseconds: Self.leave))
  }

  private mutating func end() {
    guard !isOver else { return }
    isOver = true
    actions.append(.over)
  }
}
