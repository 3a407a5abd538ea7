import Testing

@testable import OpenCalls

@Suite("What the client of a POST has got of its answer")
struct AnswerStateTests {
  /// Every state that there is.
  private enum Situation: CaseIterable {
    case undecided, streaming, numbered, passing, passingEvent
    case left, streamingLeft, numberedLeft, passingLeft, passingEventLeft

    var state: AnswerState {
      var state = AnswerState()
      switch self {
      case .undecided, .left: break
      case .streaming, .streamingLeft: state.began(0)
      case .numbered, .numberedLeft: state.began(7)
      case .passing, .passingLeft: state.passes()
      case .passingEvent, .passingEventLeft:
        state.began(7)
        state.passes()
      }
      switch self {
      case .left, .streamingLeft, .numberedLeft, .passingLeft, .passingEventLeft:
        _ = state.clientGone(mayReturn: true)
      default: break
      }
      return state
    }
  }

  @Test("a message before the response begins events once, and none gets between the pieces of a result")
  func notified() {
    let expected: [Situation: AnswerState.Notice] = [
      .undecided: .openStream, .streaming: .event(0), .numbered: .event(7), .passing: .drop, .passingEvent: .drop,
      .left: .drop, .streamingLeft: .event(0), .numberedLeft: .event(7), .passingLeft: .drop, .passingEventLeft: .drop,
    ]
    for situation in Situation.allCases { #expect(situation.state.notified() == expected[situation], "\(situation)") }
  }

  @Test("the response goes out whole, as the last event, or not at all where pieces of another have gone out")
  func answered() {
    let expected: [Situation: AnswerState.Answer] = [
      .undecided: .whole, .streaming: .lastEvent(0), .numbered: .lastEvent(7), .passing: .abort(nil),
      .passingEvent: .abort(7), .left: .drop, .streamingLeft: .lastEvent(0), .numberedLeft: .lastEvent(7),
      .passingLeft: .abort(nil), .passingEventLeft: .abort(7),
    ]
    for situation in Situation.allCases { #expect(situation.state.answered() == expected[situation], "\(situation)") }
  }

  @Test("a large result goes out as it comes, but what can be replayed is kept whole")
  func large() {
    let small: [Situation: AnswerState.Passage] = [
      .undecided: .pass(nil), .streaming: .pass(0), .numbered: .collect(until: 100), .passing: .never,
      .passingEvent: .never, .left: .never, .streamingLeft: .never, .numberedLeft: .never, .passingLeft: .never,
      .passingEventLeft: .never,
    ]
    for situation in Situation.allCases {
      #expect(situation.state.large(100, replay: 100) == small[situation], "\(situation)")
      let larger = situation == .numbered ? .pass(7) : small[situation]
      #expect(situation.state.large(101, replay: 100) == larger, "\(situation)")
    }
  }

  @Test("events begin once, and pieces follow on what has begun")
  func progress() {
    let began: [Situation: AnswerState.Phase] = [
      .undecided: .streaming(3), .streaming: .streaming(0), .numbered: .streaming(7), .passing: .passing(nil),
      .passingEvent: .passing(7), .left: .streaming(3), .streamingLeft: .streaming(0), .numberedLeft: .streaming(7),
      .passingLeft: .passing(nil), .passingEventLeft: .passing(7),
    ]
    let passes: [Situation: AnswerState.Phase] = [
      .undecided: .passing(nil), .streaming: .passing(0), .numbered: .passing(7), .passing: .passing(nil),
      .passingEvent: .passing(7), .left: .passing(nil), .streamingLeft: .passing(0), .numberedLeft: .passing(7),
      .passingLeft: .passing(nil), .passingEventLeft: .passing(7),
    ]
    for situation in Situation.allCases {
      var (one, other) = (situation.state, situation.state)
      one.began(3)
      other.passes()
      #expect(one.phase == began[situation], "\(situation)")
      #expect(other.phase == passes[situation], "\(situation)")
      #expect(one.hasLeft == situation.state.hasLeft && other.hasLeft == situation.state.hasLeft)
    }
  }

  @Test(
    "a client that may return has not cancelled, unless its answer can't be taken up any more",
    arguments: [true, false])
  func clientGone(_ mayReturn: Bool) {
    for situation in Situation.allCases {
      var state = situation.state
      let expected: AnswerState.Departure =
        switch situation {
        case .passing, .passingLeft: .cancel(nil)
        case .passingEvent, .passingEventLeft: .cancel(7)
        case .undecided, .left: mayReturn ? .keep(nil) : .cancel(nil)
        case .streaming, .streamingLeft: mayReturn ? .keep(0) : .cancel(nil)
        case .numbered, .numberedLeft: mayReturn ? .keep(7) : .cancel(nil)
        }
      let departure = state.clientGone(mayReturn: mayReturn)
      #expect(departure == expected, "\(situation)")
      #expect(state.hasLeft)
      #expect(state.phase == situation.state.phase)
    }
  }

  @Test("what comes is for nobody where nothing had begun when the client left")
  func nobody() {
    for situation in Situation.allCases { #expect(situation.state.isForNobody == (situation == .left), "\(situation)") }
  }
}
