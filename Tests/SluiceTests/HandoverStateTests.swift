import Testing

@testable import sluice

@Suite("Who wants to take over")
struct HandoverStateTests {
  private typealias State = HandoverState

  /// A state with a successor on connection 1, process 101, that has the sockets since 1000.
  private func taken(version: Int = 2) -> HandoverState {
    var state = HandoverState()
    #expect(state.connected(1, process: 101, at: 1000) == [])
    #expect(
      state.heard(.hello(version), on: 1, at: 1000) == [
        .inform("process 101 wants to take over"), .handOver(to: 1, version: version),
      ])
    return state
  }

  private func closes(_ actions: [HandoverState.Action]) -> [Int32] {
    actions.compactMap { if case .close(let connection) = $0 { connection } else { nil } }
  }

  @Test("a successor shows life, may serve, serves")
  func whole() {
    var state = taken()
    for now in stride(from: 2000 as UInt64, to: 100_000, by: 9000) {
      #expect(state.heard(.waiting, on: 1, at: now) == [])
      #expect(state.passed(at: now + State.silence - 1) == [])
    }
    #expect(state.heard(.ready, on: 1, at: 101_000) == [.letServe(1)])
    #expect(state.heard(.serving([]), on: 1, at: 102_000) == [.complete(1)])
    #expect(state.deadline(at: 102_000) == nil)
  }

  @Test("one that may serve and does not is told of sessions no more")
  func sessions() {
    var gone = taken()
    #expect(!gone.left(1).contains(.keepSessions))
    gone = taken()
    _ = gone.heard(.ready, on: 1, at: 2000)
    #expect(gone.left(1).contains(.keepSessions))
    var silent = taken()
    _ = silent.heard(.ready, on: 1, at: 2000)
    #expect(silent.passed(at: 2000 + State.openingTime).contains(.keepSessions))
    var ending = taken()
    _ = ending.heard(.ready, on: 1, at: 2000)
    #expect(ending.ends() == [.close(1), .keepSessions])
    #expect(ending.deadline(at: 3000) == nil)
  }

  @Test("while this one ends, those who want to take over are told to wait, but for too many of them")
  func ending() {
    var state = taken()
    _ = state.connected(2, process: 102, at: 1000)
    #expect(Set(closes(state.ends())) == [1, 2])
    for connection in 3..<Int32(3 + State.mostNewcomers) {
      #expect(state.connected(connection, process: 100 + connection, at: 1000) == [])
      #expect(state.heard(.hello(2), on: connection, at: 1000).first == .say(.ending(2), to: connection))
    }
    _ = state.connected(50, process: 150, at: 1000)
    #expect(state.heard(.hello(2), on: 50, at: 1000) == [.close(50)])
    #expect(state.left(3) == [.close(3)])
    _ = state.connected(51, process: 151, at: 1000)
    #expect(state.heard(.hello(2), on: 51, at: 1000).first == .say(.ending(2), to: 51))
    #expect(state.passed(at: 1_000_000) == [])
  }

  @Test("one of version 1 says nothing before it serves")
  func versionOne() {
    var state = taken(version: 1)
    #expect(state.passed(at: 500_000) == [])
    var other = state
    #expect(state.heard(.ready, on: 1, at: 500_000) == [.complete(1)])
    #expect(closes(other.passed(at: 1000 + State.versionOneTime)) == [1])
  }

  @Test("a second one is told who is at it and since when, and disturbs nobody")
  func second() {
    var state = taken()
    for version in [1, 2] {
      _ = state.connected(2, process: 102, at: 8000)
      #expect(
        state.heard(.hello(version), on: 2, at: 8500) == [
          .say(.busy(version, process: 101, seconds: 7), to: 2), .close(2),
          .inform("process 102 wants to take over and was turned away: process 101 has been at it for 7 s"),
        ])
    }
    #expect(state.heard(.ready, on: 1, at: 9000) == [.letServe(1)])
  }

  @Test("one that is silent is given up, and the next gets the sockets")
  func silent() {
    var state = taken()
    #expect(state.deadline(at: 1000) == 1000 + State.silence)
    #expect(state.passed(at: 1000 + State.silence - 1) == [])
    #expect(
      state.passed(at: 1000 + State.silence) == [
        .say(.givenUp("it was silent for 10 s"), to: 1), .close(1),
        .warn("process 101, which wants to take over, is given up: it was silent for 10 s; this one goes on"),
      ])
    _ = state.connected(2, process: 102, at: 20_000)
    #expect(state.heard(.hello(2), on: 2, at: 20_000).contains(.handOver(to: 2, version: 2)))
  }

  @Test("one that may serve and does not is given up")
  func hesitant() {
    var state = taken()
    _ = state.heard(.ready, on: 1, at: 5000)
    #expect(state.passed(at: 4999 + State.openingTime) == [])
    let actions = state.passed(at: 5000 + State.openingTime)
    #expect(actions.first == .say(.givenUp("it may serve and does not after 10 s"), to: 1))
    #expect(closes(actions) == [1])
  }

  @Test("one that goes is told of, and costs nothing")
  func gone() {
    var state = taken()
    #expect(state.left(1) == [.close(1), .warn("process 101 did not get to serve; this one goes on")])
    #expect(state.deadline(at: 2000) == nil)
  }

  @Test("one that has gone is heard to its end: it serves, maybe, as this one was stopped for so long")
  func impatient() {
    var state = taken()
    #expect(state.heard(.ready, on: 1, at: 20_000) == [.letServe(1)])
    #expect(state.unreachable(1, isGone: true, why: "no") == [.keepSessions])
    #expect(state.heard(.serving([]), on: 1, at: 20_000) == [.lookForHeir(1)])
    var dead = state
    #expect(state.serves(1) == [.complete(1)])
    #expect(state.deadline(at: 20_000) == nil)
    #expect(state.left(1) == [.close(1)])
    #expect(dead.left(1).last == .warn("process 101 did not get to serve; this one goes on"))
    #expect(dead.deadline(at: 20_000) == nil)
  }

  @Test("one that has gone and did not say that it serves does not")
  func goneBefore() {
    var state = taken()
    #expect(state.heard(.ready, on: 1, at: 20_000) == [.letServe(1)])
    #expect(state.unreachable(1, isGone: true, why: "no") == [.keepSessions])
    #expect(
      state.left(1) == [.close(1), .keepSessions, .warn("process 101 did not get to serve; this one goes on")])
    #expect(state.serves(1) == [])
  }

  @Test("one that is there and can't be told something is told that it is given up, as it would serve else")
  func unreachable() {
    var state = taken()
    #expect(state.heard(.ready, on: 1, at: 2000) == [.letServe(1)])
    #expect(
      state.unreachable(1, isGone: false, why: "no").first == .say(.givenUp("it can't be spoken to: no"), to: 1))
    #expect(state.deadline(at: 2000) == nil)
  }

  @Test(
    "a successor that speaks out of turn or no language is given up",
    arguments: [nil, .hello(2), .serving([]), .go, .busy(2, process: 1, seconds: 1)] as [TakeoverWord?])
  func outOfTurn(_ word: TakeoverWord?) {
    var state = taken()
    #expect(closes(state.heard(word, on: 1, at: 2000)) == [1])
    #expect(state.deadline(at: 2000) == nil)
  }

  @Test("who says nothing, or something else, is sent away, and the log is not filled with it")
  func strays() {
    var state = HandoverState()
    _ = state.connected(1, process: 101, at: 0)
    #expect(state.deadline(at: 0) == State.greetingTime)
    #expect(state.passed(at: State.greetingTime - 1) == [])
    #expect(
      state.passed(at: State.greetingTime) == [
        .close(1), .warn("on the takeover socket: process 101 connected and said nothing"),
      ])
    for word in [nil, .ready, .hello(3), .hello(0)] as [TakeoverWord?] {
      _ = state.connected(2, process: 102, at: 6000)
      #expect(state.heard(word, on: 2, at: 6000) == [.say(.only(2), to: 2), .close(2)])
    }
    _ = state.connected(3, process: 103, at: 7000)
    #expect(state.left(3) == [.close(3)])
    #expect(state.refused(at: State.greetingTime + State.strayPause) != [])
    #expect(state.deadline(at: 30_000) == nil)
  }

  @Test("of many that say nothing a few are kept, and one that speaks is heard")
  func crowd() {
    var state = HandoverState()
    var open: Set<Int32> = []
    for connection in Int32(1)...1000 {
      open.insert(connection)
      open.subtract(closes(state.connected(connection, process: 100, at: 0)))
      #expect(open.count <= State.mostNewcomers)
    }
    #expect(open.contains(1000))
    #expect(state.heard(.hello(2), on: 1000, at: 0).contains(.handOver(to: 1000, version: 2)))
  }

  @Test("when nothing can be accepted it is tried again later, not at once")
  func exhausted() {
    var state = HandoverState()
    #expect(state.accepts(at: 0))
    #expect(
      state.acceptFailed("full", at: 100) == [.warn("on the takeover socket: a connection can't be accepted: full")])
    #expect(!state.accepts(at: 99 + State.acceptPause))
    #expect(state.deadline(at: 200) == 100 + State.acceptPause)
    #expect(state.accepts(at: 100 + State.acceptPause))
    #expect(state.deadline(at: 100 + State.acceptPause) == nil)
  }
}
