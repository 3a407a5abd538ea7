import MCP
import Reactor
import Testing

@testable import Calls
@testable import Sessions

/// Everything that a client can begin, over each transport, in each state of the gateway.
@Suite("Admission") struct AdmissionTests {
  private typealias Kind = Arrival.Kind

  private static let kinds: [Kind] = [
    .request(.toolsCall), .request(.initialize), .notification, .response, .batch, .opening, .resumption, .listen,
    .stream, .webSocket, .termination,
  ]
  private static let transports: [TransportKind] = [.streamableHTTP, .eventStream, .webSocket]

  /// What becomes of it: `admit`, `park`, or the kind of the error.
  private func judge(_ kind: Kind, _ transport: TransportKind, _ condition: Admission.Condition) -> String {
    let arrival = Arrival(kind: kind, transport: transport, connection: .none, session: nil)
    return switch Admission().judge(arrival, { condition }) {
    case .admit: "admit"
    case .park: "park"
    case .refuse(let error): "\(error.kind)"
    }
  }

  /// What is not simply admitted, by transport and kind.
  private func exceptions(_ condition: Admission.Condition) -> [String] {
    Self.transports.flatMap { transport in
      Self.kinds.compactMap { kind in
        let verdict = judge(kind, transport, condition)
        let name = if case .request(let method) = kind { "\(method)" } else { "\(kind)" }
        return verdict == "admit" ? nil : "\(transport) \(name): \(verdict)"
      }
    }.sorted()
  }

  @Test("while all is well everything is begun")
  func serving() {
    #expect(exceptions(Admission.Condition()) == [])
  }

  @Test("beside a successor what has a connection to itself is refused, and what any process can serve is not")
  func draining() {
    #expect(
      exceptions(Admission.Condition(isDraining: true)) == [
        "eventStream opening: sessionLimit", "eventStream webSocket: draining", "streamableHTTP webSocket: draining",
        "webSocket opening: draining", "webSocket webSocket: draining",
      ])
  }

  @Test("at the end no session, listen or WebSocket is begun, and what is under way goes on")
  func ending() {
    var expected = [
      "eventStream opening: sessionLimit", "streamableHTTP opening: draining", "webSocket opening: draining",
    ]
    for transport in Self.transports {
      for kind in ["resumption", "listen", "webSocket"] { expected.append("\(transport) \(kind): draining") }
    }
    #expect(exceptions(Admission.Condition(isDraining: true, isEnding: true)) == expected.sorted())
  }

  @Test("no listen is begun while memory is short")
  func memory() {
    #expect(
      exceptions(Admission.Condition(isShortOfMemory: true))
        == Self.transports.map { "\($0) listen: overloaded" }.sorted())
  }

  @Test("a handshake is answered once it is known what the servers are")
  func faces() {
    #expect(
      exceptions(Admission.Condition(awaitsFaces: true)) == [
        "eventStream initialize: park", "streamableHTTP opening: park", "webSocket opening: park",
      ])
  }

  @Test("how the gateway fares is not asked for where a call comes in")
  func quick() {
    for transport in Self.transports {
      let arrival = Arrival(kind: .request(.toolsCall), transport: transport, connection: .none, session: nil)
      var isAsked = false
      let decision = Admission().judge(arrival) {
        isAsked = true
        return Admission.Condition()
      }
      guard case .admit = decision, !isAsked else {
        Issue.record("\(transport)")
        continue
      }
    }
  }

  @Test("over a WebSocket nobody waits to hear that a notification was refused")
  func unanswered() {
    let unanswered = Self.transports.flatMap { transport in
      Self.kinds.filter {
        Arrival(kind: $0, transport: transport, connection: .none, session: nil).isUnanswered
      }.map { "\(transport) \($0)" }
    }
    #expect(unanswered == ["webSocket notification", "webSocket response"])
  }
}
