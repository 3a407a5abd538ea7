import Reactor
import Testing

@testable import Admin

@Suite struct StreamTurnsTests {
  private let id = ConnectionID(rawValue: 1)
  private let other = ConnectionID(rawValue: 2)

  /// The states that a stream can be in, and how it gets there.
  private enum State: String, CaseIterable {
    case unknown, due, full, fullAtRest, resting

    func made(_ id: ConnectionID) -> StreamTurns {
      var turns = StreamTurns()
      guard self != .unknown else { return turns }
      turns.opened(id)
      guard self != .due else { return turns }
      #expect(turns.next() == id)
      switch self {
      case .full: #expect(turns.wrote(id, .more, .full) == .none)
      case .fullAtRest: #expect(turns.wrote(id, .rest(milliseconds: 9), .full) == .none)
      default: #expect(turns.wrote(id, .rest(milliseconds: 9), .taken) == .rest(milliseconds: 9))
      }
      return turns
    }
  }

  /// What may happen to a stream, and what is done and who is due then.
  private struct Row {
    var state: State
    var event: String
    var action: StreamTurns.Action
    var isDue: Bool
    var count: Int
  }

  @Test("every event in every state")
  func everyPair() {
    let events: [(String, (inout StreamTurns) -> StreamTurns.Action)] = [
      ("drained", { $0.drained(id) }),
      (
        "rested",
        { turns in
          turns.rested(id)
          return .none
        }
      ),
      ("left", { $0.left(id) }),
    ]
    let rows: [Row] = [
      Row(state: .unknown, event: "drained", action: .none, isDue: false, count: 0),
      Row(state: .unknown, event: "rested", action: .none, isDue: false, count: 0),
      Row(state: .unknown, event: "left", action: .none, isDue: false, count: 0),
      Row(state: .due, event: "drained", action: .none, isDue: true, count: 1),
      Row(state: .due, event: "rested", action: .none, isDue: true, count: 1),
      Row(state: .due, event: "left", action: .cancel, isDue: false, count: 0),
      Row(state: .full, event: "drained", action: .none, isDue: true, count: 1),
      Row(state: .full, event: "rested", action: .none, isDue: false, count: 1),
      Row(state: .full, event: "left", action: .cancel, isDue: false, count: 0),
      Row(state: .fullAtRest, event: "drained", action: .rest(milliseconds: 9), isDue: false, count: 1),
      Row(state: .fullAtRest, event: "rested", action: .none, isDue: false, count: 1),
      Row(state: .fullAtRest, event: "left", action: .cancel, isDue: false, count: 0),
      Row(state: .resting, event: "drained", action: .none, isDue: false, count: 1),
      Row(state: .resting, event: "rested", action: .none, isDue: true, count: 1),
      Row(state: .resting, event: "left", action: .cancel, isDue: false, count: 0),
    ]
    #expect(rows.count == State.allCases.count * events.count)
    for row in rows {
      var turns = row.state.made(id)
      let action = events.first { $0.0 == row.event }!.1(&turns)
      #expect(action == row.action, "\(row.event) while \(row.state)")
      #expect(turns.isSomeoneDue == row.isDue, "\(row.event) while \(row.state)")
      #expect(turns.count == row.count, "\(row.event) while \(row.state)")
    }
  }

  @Test(
    "what follows a piece depends on what it says and on whether the client has room",
    arguments: [
      (AdminStep.more, WriteOutcome.taken, StreamTurns.Action.none, true), (.more, .full, .none, false),
      (.more, .stale, .cancel, false), (.rest(milliseconds: 5), .taken, .rest(milliseconds: 5), false),
      (.rest(milliseconds: 5), .full, .none, false), (.rest(milliseconds: 5), .stale, .cancel, false),
      (.end, .taken, .end, false), (.end, .full, .end, false), (.end, .stale, .cancel, false),
    ] as [(AdminStep, WriteOutcome, StreamTurns.Action, Bool)])
  func pieces(step: AdminStep, outcome: WriteOutcome, action: StreamTurns.Action, isDue: Bool) {
    var turns = StreamTurns()
    turns.opened(id)
    #expect(turns.next() == id)
    #expect(turns.wrote(id, step, outcome) == action)
    #expect(turns.isSomeoneDue == isDue)
    let isOver = action == .cancel || action == .end
    #expect(turns.count == (isOver ? 0 : 1))
  }

  @Test("streams take turns")
  func roundRobin() {
    var turns = StreamTurns()
    turns.opened(id)
    turns.opened(other)
    var order: [ConnectionID] = []
    for _ in 0..<4 {
      guard let next = turns.next() else { break }
      order.append(next)
      #expect(turns.wrote(next, .more, .taken) == .none)
    }
    #expect(order == [id, other, id, other])
  }

  @Test("what was written for a client that has left meanwhile changes nothing")
  func late() {
    var turns = StreamTurns()
    turns.opened(id)
    #expect(turns.next() == id)
    #expect(turns.left(id) == .cancel)
    #expect(turns.wrote(id, .more, .taken) == .none)
    #expect(turns.next() == nil)
  }
}
