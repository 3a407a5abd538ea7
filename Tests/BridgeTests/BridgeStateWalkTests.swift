import Testing

@testable import Bridge

/// Every state that an exchange may be in, and everything that may happen in it.
@Suite("An exchange of the bridge")
struct BridgeStateWalkTests {
  /// Where the exchange is that is looked at: one that carries a client's request in a session, or one of the bridge's own.
  enum Situation: String, CaseIterable {
    case queued, waiting, sending, awaiting, readingJSON, readingEvents, resting, relisting, lingering
    case reopening, reopened, listing, stream, streamReading, streamResting, farewell, knock, gone

    func make() -> (StateBench, ExchangeID) {
      var bench = StateBench(patience: 10_000)
      if self == .knock {
        bench.inputEnded()
        return (bench, bench.last)
      }
      bench.line(initialize)
      bench.answer(bench.last, opened, session: "s1")
      bench.line(initialized)
      bench.answer(bench.last, "", status: 202, .other)
      let stream = bench.last
      switch self {
      case .stream: return (bench, stream)
      case .streamReading, .streamResting:
        bench.head(stream, 200, .events)
        if self == .streamResting { bench.lost(stream, .broken) }
        return (bench, stream)
      case .farewell:
        bench.inputEnded()
        return (bench, bench.last)
      case .queued:
        bench.line(legacy(7))
        bench.line(legacy(1))
        return (bench, ExchangeID(number: bench.last.number + 1))
      case .relisting, .listing:
        bench.line(modern("1", "tools/call", #""name":"t","#))
        let call = bench.last
        bench.answer(call, #"{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"m"}}"#, status: 400)
        return (bench, self == .relisting ? call : bench.last)
      case .reopening, .reopened:
        bench.line(legacy(1))
        bench.answer(bench.last, "", status: 404)
        if self == .reopened { bench.answer(bench.last, opened, session: "s2") }
        return (bench, bench.last)
      default: break
      }
      bench.line(legacy(1))
      let call = bench.last
      switch self {
      case .waiting: bench.lost(call, .absent)
      case .awaiting: bench.sent(call)
      case .readingJSON: bench.head(call, 200, .json)
      case .readingEvents, .resting:
        bench.head(call, 200, .events)
        bench.piece(call, "id: e\ndata:\n\n")
        if self == .resting { bench.lost(call, .broken) }
      case .lingering:
        bench.head(call, 200, .events)
        bench.piece(call, "data: \(result(1))\n\n")
      case .gone: bench.answer(call, result(1))
      default: break
      }
      return (bench, call)
    }
  }

  enum Event: String, CaseIterable {
    case sent, json, events, notFound, answer, nonsense, ended, absent, outdated, broken, alarm, line, cancel, inputEnd,
      stop

    /// Happens to an exchange.
    func happen(_ id: ExchangeID, in state: inout BridgeState, at now: UInt64) {
      switch self {
      case .sent: state.sent(id, at: now)
      case .json: state.head(id, AnswerHead(200, .json, session: Array("s2".utf8)), at: now)
      case .events: state.head(id, AnswerHead(200, .events, session: Array("s2".utf8)), at: now)
      case .notFound: state.head(id, AnswerHead(404, .json), at: now)
      case .answer, .nonsense:
        let isEvents = state.exchanges[id]?.reader.media == .events
        let text = self == .nonsense ? "nonsense" : result(1)
        state.piece(id, Array((isEvents ? "data: \(text)\n\n" : text).utf8).rawBytes, at: now)
      case .ended: state.ended(id, at: now)
      case .absent: state.lost(id, Loss(.absent, "why"), at: now)
      case .outdated: state.lost(id, Loss(.outdated, "why"), at: now)
      case .broken: state.lost(id, Loss(.broken, "why"), at: now)
      case .alarm: state.alarm(.exchange(id), at: now)
      case .line: state.line(Array(legacy(8).utf8), at: now)
      case .cancel:
        state.line(
          Array(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#.utf8), at: now)
      case .inputEnd: state.inputEnded(at: now)
      case .stop: state.stop(at: now)
      }
    }
  }

  /// What the exchange has become, if something else, and what was done: (r)equest, (a)bandon, (w)rite, re(m)ark, wa(k)e,
  /// (o)ver.
  private func outcome(_ event: Event, _ situation: Situation) -> String {
    var (bench, id) = situation.make()
    let before = bench.state.exchanges[id]?.phase
    event.happen(id, in: &bench.state, at: bench.now)
    check(bench.state, "\(event) while \(situation)")
    let done = bench.state.takeActions().map { action in
      switch action {
      case .request: "r"
      case .abandon: "a"
      case .write: "w"
      case .remark: "m"
      case .wake: "k"
      case .over: "o"
      }
    }.joined()
    let after = bench.state.exchanges[id]?.phase
    let phase = after == before ? "" : after.map { "\($0)" } ?? "gone"
    return phase.isEmpty && done.isEmpty ? "." : [phase, done].filter { !$0.isEmpty }.joined(separator: "+")
  }

  /// What holds of every state.
  private func check(_ state: BridgeState, _ comment: String) {
    let queued = state.exchanges.filter { $0.value.phase == .queued }.keys
    #expect(Set(state.queue) == Set(queued) && state.queue.count == queued.count, "\(comment)")
    if let sending = state.sending { #expect(state.exchanges[sending]?.phase == .sending, "\(comment)") }
    #expect(state.exchanges.values.count { $0.phase == .sending } <= 1, "\(comment)")
    if let opening = state.opening { #expect(state.exchanges[opening]?.isOpening == true, "\(comment)") }
    if let stream = state.stream { #expect(state.exchanges[stream]?.purpose == .stream, "\(comment)") }
    for (id, number) in state.inFlight { #expect(state.exchanges[number]?.id == id, "\(comment)") }
  }

  /// By situation and event; a dot: nothing.
  private static let table = """
                   sent      json     events   notFound
    queued         .         .        .        .
    waiting        .         .        .        .
    sending        awaiting  reading  reading  reading
    awaiting       .         reading  reading  reading
    readingJSON    .         .        .        .
    readingEvents  .         .        .        .
    resting        .         .        .        .
    relisting      .         .        .        .
    lingering      .         .        .        .
    reopening      awaiting  reading  reading  reading
    reopened       awaiting  reading  reading  reading
    listing        awaiting  reading  reading  reading
    stream         .         reading  reading  reading
    streamReading  .         .        .        .
    streamResting  .         .        .        .
    farewell       .         reading  reading  reading
    knock          .         gone+ao  gone+ao  gone+ao
    gone           .         .        .        .

                   answer        nonsense  ended      absent     outdated   broken
    queued         .             .         .          .          .          .
    waiting        .             .         .          .          .          .
    sending        .             .         .          queued+mk  r          gone+w
    awaiting       .             .         .          queued+mk  sending+r  gone+w
    readingJSON    .             .         gone+w     gone+w     gone+w     gone+w
    readingEvents  lingering+wk  m         resting+k  resting+k  resting+k  resting+k
    resting        .             .         .          .          .          .
    relisting      .             .         .          .          .          .
    lingering      .             .         gone       gone       gone       gone
    reopening      .             .         .          queued+mk  gone+w     gone+w
    reopened       .             .         .          queued+mk  gone+mr    gone+mr
    listing        .             .         .          queued+mk  r          gone+w
    stream         .             .         .          resting+k  resting+k  resting+k
    streamReading  w             m         resting+k  resting+k  resting+k  resting+k
    streamResting  .             .         .          .          .          .
    farewell       .             .         .          gone+mo    gone+mo    gone+mo
    knock          .             .         .          gone+mo    gone+mo    gone+mo
    gone           .             .         .          .          .          .

                   alarm       line  cancel  inputEnd   stop
    queued         .           .     gone    .          gone+aark
    waiting        .           .     gone    gone+wark  gone+ark
    sending        .           .     .       .          gone+aark
    awaiting       .           r     r       .          gone+aark
    readingJSON    .           r     r       .          gone+aark
    readingEvents  .           r     r       .          gone+aark
    resting        awaiting+r  r     r       .          gone+aark
    relisting      .           .     gone+a  .          gone+aaark
    lingering      gone+a      r     r       gone+aark  gone+aark
    reopening      .           .     .       .          gone+aao
    reopened       .           .     .       .          gone+aark
    listing        .           .     a       .          gone+aaark
    stream         .           r     r       gone+ark   gone+ark
    streamReading  .           r     r       gone+ark   gone+ark
    streamResting  awaiting+r  r     r       gone+ark   gone+ark
    farewell       gone+o      .     .       .          .
    knock          .           r     r       .          gone+ao
    gone           .           r     r       ark        ark
    """

  private static let expected: [Situation: [Event: String]] = {
    var expected: [Situation: [Event: String]] = [:]
    var events: [Event] = []
    for line in table.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard let situation = Situation(rawValue: words[0]) else {
        events = words.compactMap(Event.init)
        continue
      }
      for (event, outcome) in zip(events, words.dropFirst()) { expected[situation, default: [:]][event] = outcome }
    }
    return expected
  }()

  @Test("comes from every state to the one that is meant, whatever happens", arguments: Situation.allCases)
  func walk(_ situation: Situation) {
    for event in Event.allCases {
      #expect(outcome(event, situation) == Self.expected[situation]?[event], "\(event) while \(situation)")
    }
  }
}
