import MCP
import Testing

@testable import Clusters
@testable import UpstreamRequests

@Suite("What an upstream has got of a request")
struct RequestStateTests {
  private static func state(in phase: RequestState.Phase, isRepeated: Bool = false) -> RequestState {
    var state = RequestState(isRepeated: isRepeated)
    switch phase {
    case .waiting: break
    case .sent: state.sent()
    case .reading:
      state.sent()
      state.began(asEvents: false)
    case .streaming:
      state.sent()
      state.began(asEvents: true)
    case .resuming:
      state.sent()
      state.began(asEvents: true)
      _ = state.broke(sent: true, canResume: true)
    }
    return state
  }

  @Test("the ways there lead to every phase", arguments: RequestState.Phase.allCases)
  func phases(_ phase: RequestState.Phase) { #expect(Self.state(in: phase).phase == phase) }

  @Test("what was sent and is lost is never sent again, whatever it was at")
  func lost() {
    for phase in RequestState.Phase.allCases {
      for sent in [true, false] {
        var state = Self.state(in: phase)
        let isUnsent = !sent && (phase == .sent || phase == .waiting)
        let loss = state.broke(sent: sent, canResume: false)
        #expect(loss == (isUnsent ? .unreached : .lost), "\(phase), \(sent)")
        #expect(state.phase == phase)
      }
    }
  }

  @Test("events alone are taken up again, and each time that they break off")
  func resume() {
    for phase in RequestState.Phase.allCases {
      var state = Self.state(in: phase)
      let loss = state.broke(sent: true, canResume: true)
      #expect(loss == (phase == .streaming ? .resume : .lost), "\(phase)")
    }
    var state = Self.state(in: .resuming)
    state.began(asEvents: true)
    #expect(state.phase == .streaming)
    let loss = state.broke(sent: true, canResume: true)
    #expect(loss == .resume)
  }

  @Test("it goes out once more after a failure that says that nobody has acted on it, and once in all")
  func again() {
    for phase in RequestState.Phase.allCases {
      for (retry, may) in [
        (GatewayError.Retry.never, false), (.safe, true), (.ifNothingSent, phase == .waiting),
      ] {
        var state = Self.state(in: phase)
        let goes = state.again(after: retry)
        #expect(goes == may, "\(phase), \(retry)")
        #expect(state.phase == (may ? .waiting : phase))
        #expect(state.isRepeated == may)
        var second = Self.state(in: phase, isRepeated: true)
        let goesTwice = second.again(after: retry)
        #expect(!goesTwice, "\(phase), \(retry)")
        #expect(second == Self.state(in: phase, isRepeated: true))
      }
    }
  }

  @Test("an answer to what waits is none of it")
  func began() {
    for phase in RequestState.Phase.allCases {
      var (json, events) = (Self.state(in: phase), Self.state(in: phase))
      json.began(asEvents: false)
      events.began(asEvents: true)
      #expect(json.phase == (phase == .waiting ? .waiting : .reading), "\(phase)")
      #expect(events.phase == (phase == .waiting ? .waiting : .streaming), "\(phase)")
    }
  }

  @Test("an upstream has to be told of the end of what was sent to it alone")
  func known() {
    for phase in RequestState.Phase.allCases {
      var state = Self.state(in: phase)
      #expect(state.isKnownUpstream == (phase != .waiting), "\(phase)")
      state.waits()
      #expect(!state.isKnownUpstream)
      state.sent()
      #expect(state.phase == .sent)
    }
  }

  @Test("the gateway's own errors say which of them may be tried again")
  func retries() {
    let cluster = Cluster(embedded: "demo", Cluster.Name(number: 0, id: 1))
    #expect(GatewayError.sessionEnded(cluster).retry == .safe)
    #expect(GatewayError.forgotten(cluster, "HTTP 404").retry == .safe)
    #expect(GatewayError.refused(cluster, "HTTP 500").retry == .never)
    #expect(GatewayError.lost(cluster, "it broke").retry == .ifNothingSent)
    #expect(GatewayError.timedOut(cluster, milliseconds: 1).retry == .never)
  }
}
