import MCP
import Wire

/// The server that a gateway without configuration offers: something of everything the protocol has, to look at and to
/// try clients on. It speaks every revision and does no I/O: requests, answers and the passing of time come in, steps
/// come out. One per worker; all of a gateway's share the key, because a client may come back on another worker.
public struct DemonstrationServer {
  public static let capabilities: ServerCapabilities = [.tools, .resources, .prompts, .completions]

  public static let instructions: StaticString = """
    This is Sluice's built-in demonstration server, served because no server is configured. Its tools show what passes \
    through the gateway: results, progress, questions to the user, large answers and both kinds of error. Nothing that \
    they do has a lasting effect.
    """

  /// A call that is not over when its request has been read.
  private enum Unfinished {
    case counting(Countdown)
    case asking(Call)
  }

  private let key: SipHash
  private let startedAt: Timestamp
  private let scanner = EnvelopeScanner()
  private var unfinished: [UInt64: Unfinished] = [:]

  public init(key: SipHash, startedAt: Timestamp) {
    self.key = key
    self.startedAt = startedAt
  }

  /// Calls in progress.
  public var unfinishedCount: Int { unfinished.count }

  // MARK: Events

  /// A request. Its id is an integer that no other call in progress has.
  public mutating func receive(_ message: RawSpan, from client: Client, now: Timestamp) -> [Step] {
    let scanner = scanner
    let envelope = scanner.scan(message)
    guard envelope.kind == .request, let id = envelope.id?.decimal else { return [] }
    let call = Call(id, envelope, client, now: now)
    switch envelope.method {
    case .toolsList: return [.send(call.result(.lasting) { $0.append(entriesOf: Tool.self, as: "tools") })]
    case .resourcesList: return [.send(call.result(.lasting) { $0.append(entriesOf: Resource.self, as: "resources") })]
    case .resourcesTemplatesList: return [.send(call.result(.lasting) { $0.append(Greeting.list) })]
    case .promptsList: return [.send(call.result(.lasting) { $0.append(Explanation.list) })]
    case .toolsCall: return callTool(call, envelope)
    case .resourcesRead: return [.send(read(call, envelope))]
    case .promptsGet: return [.send(Explanation.get(call, envelope))]
    case .completionComplete: return [.send(Completion.answer(call, envelope))]
    default: return [.send(call.error(-32601, "Method not found: " + envelope.methodName.text))]
    }
  }

  /// The time that a step asked for has passed. Nothing if the call is over.
  public mutating func resumed(_ call: UInt64) -> [Step] {
    guard case .counting(var countdown) = unfinished[call] else { return [] }
    let steps = countdown.step()
    unfinished[call] = countdown.isOver ? nil : .counting(countdown)
    return steps
  }

  /// A legacy client's answer to a question, and whose call it belongs to. nil if nobody waits for it.
  public mutating func answered(_ message: RawSpan) -> (call: UInt64, steps: [Step])? {
    let scanner = scanner
    let envelope = scanner.scan(message)
    guard let id = envelope.id?.decimal, case .asking(let call) = unfinished[id] else { return nil }
    switch envelope.kind {
    case .result:
      unfinished[id] = nil
      return (id, [.send(Question.conclude(call, answer: envelope.result))])
    case .error:
      unfinished[id] = nil
      let why = JSON.text(envelope.value(ErrorKey.message)) ?? "no reason given"
      return (id, [.send(call.failure("The client could not ask its user: \(why)"))])
    default:
      return nil
    }
  }

  /// Nobody waits for the call any more.
  public mutating func cancelled(_ call: UInt64) { unfinished[call] = nil }

  // MARK: Tools

  private mutating func callTool(_ call: Call, _ envelope: Envelope) -> [Step] {
    guard let name = envelope.value(Param.name), let tool = Tool(token: name) else {
      let name = JSON.text(envelope.value(Param.name)) ?? ""
      return [.send(call.error(-32602, "Unknown tool: \(name)"))]
    }
    let arguments = Arguments(envelope.value(Param.arguments))
    switch tool {
    case .slow:
      do throws(Arguments.Fault) {
        let countdown = try Countdown(call, arguments)
        unfinished[call.id] = .counting(countdown)
        return [.resume(afterMilliseconds: countdown.interval)]
      } catch {
        return [.send(call.failure(error.text))]
      }
    case .ask:
      return ask(call, envelope, arguments)
    default:
      return [.send(tool.run(call, arguments))]
    }
  }

  /// Asks the user: a request on the stream of the call, or in the modern era an unfinished result with which the
  /// client comes back.
  private mutating func ask(_ call: Call, _ envelope: Envelope, _ arguments: borrowing Arguments) -> [Step] {
    let question: Question
    do throws(Arguments.Fault) {
      question = try Question(arguments)
    } catch {
      return [.send(call.failure(error.text))]
    }
    guard call.abilities.contains(.elicitationForm) else { return [.send(Question.cannotAsk(call))] }
    guard call.revision.era == .modern else {
      unfinished[call.id] = .asking(call)
      return [.send(question.request(call))]
    }
    guard let state = envelope.value(Param.requestState) else { return [.send(question.inputRequired(call, key))] }
    guard question.isOwn(state, key, now: call.now) else {
      return [.send(call.error(-32602, "Invalid params: requestState was not issued for this call, or is too old"))]
    }
    guard let responses = envelope.value(Param.inputResponses), let answer = JSON.find(Question.name, in: responses)
    else { return [.send(question.inputRequired(call, key))] }
    return [.send(Question.conclude(call, answer: answer))]
  }

  // MARK: Resources

  private func read(_ call: Call, _ envelope: Envelope) -> [UInt8] {
    guard let uri = JSON.text(envelope.value(Param.uri)) else {
      return call.error(-32602, "Invalid params: uri must be a string")
    }
    if let resource = Resource(rawValue: uri) { return resource.read(call, startedAt: startedAt) }
    if let name = Greeting.name(in: uri) { return Greeting.read(call, uri: uri, name: name) }
    return call.resourceNotFound(uri)
  }
}
