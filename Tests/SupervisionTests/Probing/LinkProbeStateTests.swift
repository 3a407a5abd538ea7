import Configuration
import Testing

@testable import Supervision

@Suite("What a process speaks")
struct LinkProbeStateTests {
  private typealias Event = LinkProbeState.Event
  private typealias Action = LinkProbeState.Action

  private func actions(_ state: inout LinkProbeState, _ events: [Event]) -> [Action] { events.map { state.next($0) } }

  @Test("One that is discovered is kept, however long that took")
  func modern() {
    var state = LinkProbeState(era: .automatic)
    #expect(!state.beginsWithInitialize && state.next(.discovered) == .modern)
  }

  @Test(
    "One that does not know `server/discover`, or says nothing to it, is asked for `initialize` and kept",
    arguments: [Event.notDiscovered, .silent])
  private func legacy(_ event: Event) {
    var state = LinkProbeState(era: .automatic)
    #expect(actions(&state, [event, .initialized]) == [.initialize, .legacy])
  }

  @Test("A late answer to `server/discover` counts as long as `initialize` has none")
  func late() {
    var state = LinkProbeState(era: .automatic)
    #expect(actions(&state, [.silent, .discovered, .refused]) == [.initialize, .wait, .modern])
    state = LinkProbeState(era: .automatic)
    #expect(actions(&state, [.silent, .discovered, .initialized]) == [.initialize, .wait, .modernAnew])
    state = LinkProbeState(era: .automatic)
    #expect(actions(&state, [.silent, .notDiscovered, .initialized]) == [.initialize, .wait, .legacy])
  }

  @Test("One that was spoilt by `server/discover`, or ended on it, is begun once more with `initialize`")
  func again() {
    for events: [Event] in [[.died], [.notDiscovered, .refused], [.notDiscovered, .died]] {
      var state = LinkProbeState(era: .automatic)
      #expect(actions(&state, events).last == .again)
      #expect(state.beginsWithInitialize)
      var (good, bad) = (state, state)
      #expect(good.next(.initialized) == .legacy)
      #expect(bad.next(.died) == .fail)
      #expect(state.next(.refused) == .fail)
    }
  }

  @Test("One that is configured as modern is asked for nothing else")
  func pinned() {
    var state = LinkProbeState(era: .modern)
    #expect(actions(&state, [.silent, .discovered]) == [.wait, .modern])
    for event in [Event.notDiscovered, .died] {
      state = LinkProbeState(era: .modern)
      #expect(state.next(event) == .fail)
    }
  }

  @Test("One that takes longer than a start may take is given up")
  func tooLate() {
    var state = LinkProbeState(era: .automatic)
    #expect(state.next(.timedOut) == .fail)
  }
}
