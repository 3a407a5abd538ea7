import Testing

@testable import sluice

@Suite("Taking another process's place")
struct SuccessorStateTests {
  @Test("it shows life until it could serve, asks, lets clients in, says so, and is alone then")
  func whole() {
    var state = SuccessorState(version: 2)
    #expect(state.passed(at: 100) == [.say(.waiting)])
    #expect(state.passed(at: 99 + SuccessorState.beat) == [])
    #expect(state.passed(at: 100 + SuccessorState.beat) == [.say(.waiting)])
    #expect(state.opened(at: 2000) == [])
    #expect(state.met(at: 2000) == [.say(.ready)])
    #expect(state.met(at: 2001) == [])
    #expect(state.heard(.go, at: 2100) == [.letClientsIn])
    #expect(state.passed(at: 100_000) == [])
    #expect(state.opened(at: 2200) == [.say(.serving([]))])
    #expect(state.heard(.done, at: 2300) == [.settle(isAlone: false)])
    #expect(state.left() == [])
    #expect(state.heard(.givenUp("late"), at: 2400) == [])
  }

  @Test("a process of version 1 is told once clients are in, and nothing else")
  func versionOne() {
    var state = SuccessorState(version: 1)
    #expect(state.passed(at: 5000) == [])
    #expect(state.met(at: 5000) == [.letClientsIn])
    #expect(state.opened(at: 5100) == [.say(.ready), .settle(isAlone: false)])
  }

  @Test("who was given up lets nobody in, and ends even if it did just then")
  func givenUp() {
    var waiting = SuccessorState(version: 2)
    #expect(waiting.heard(.givenUp("silent"), at: 0) == [.giveUp("silent")])
    #expect(waiting.met(at: 1) == [])
    #expect(waiting.left() == [])
    var asking = SuccessorState(version: 2)
    _ = asking.met(at: 0)
    #expect(asking.heard(.givenUp("silent"), at: 1) == [.giveUp("silent")])
    var confirming = SuccessorState(version: 2)
    _ = confirming.met(at: 0)
    _ = confirming.heard(.go, at: 0)
    _ = confirming.opened(at: 0)
    #expect(confirming.heard(.givenUp("slow"), at: 1) == [.giveUp("slow")])
  }

  @Test("when the other process has gone, at whatever moment, this one serves")
  func alone() {
    var waiting = SuccessorState(version: 2)
    #expect(waiting.left() == [.relieveNobody])
    #expect(waiting.passed(at: 9000) == [])
    #expect(waiting.met(at: 9000) == [.letClientsIn])
    #expect(waiting.opened(at: 9000) == [.settle(isAlone: true)])
    var asking = SuccessorState(version: 2)
    _ = asking.met(at: 0)
    #expect(asking.left() == [.letClientsIn])
    #expect(asking.opened(at: 0) == [.settle(isAlone: true)])
    var opening = SuccessorState(version: 2)
    _ = opening.met(at: 0)
    _ = opening.heard(.go, at: 0)
    #expect(opening.left() == [])
    #expect(opening.opened(at: 0) == [.settle(isAlone: true)])
    var confirming = SuccessorState(version: 2)
    _ = confirming.met(at: 0)
    _ = confirming.heard(.go, at: 0)
    _ = confirming.opened(at: 0)
    #expect(confirming.left() == [.settle(isAlone: true)])
  }

  @Test("a process that has been stopped keeps nobody from serving")
  func stopped() {
    var state = SuccessorState(version: 2)
    _ = state.met(at: 1000)
    #expect(state.passed(at: 999 + SuccessorState.patience) == [])
    #expect(state.passed(at: 1000 + SuccessorState.patience) == [.noteSilence, .letClientsIn])
    #expect(state.opened(at: 7000) == [.say(.serving([]))])
    #expect(state.passed(at: 7000 + SuccessorState.patience) == [.noteSilence, .settle(isAlone: false)])
  }

  @Test("a word out of turn changes nothing")
  func outOfTurn() {
    var state = SuccessorState(version: 2)
    for word in [nil, .go, .done, .ready, .hello(2)] as [TakeoverWord?] { #expect(state.heard(word, at: 0) == []) }
    #expect(state.met(at: 0) == [.say(.ready)])
    #expect(state.heard(.done, at: 0) == [])
  }
}

@Suite("What the processes of a takeover say")
struct TakeoverWordTests {
  @Test(
    "is read as it was meant",
    arguments: [
      .hello(1), .hello(2), .only(1), .sockets(2, ["http", "admin"]), .sockets(1, []),
      .busy(2, process: 12, seconds: 3), .serving([]), .serving(["a", "b"]), .waiting, .ready, .go, .done,
      .givenUp("it was silent"),
    ] as [TakeoverWord])
  func both(_ word: TakeoverWord) { #expect(TakeoverWord(word.text) == word) }

  @Test("of version 1 is as it was")
  func versionOne() {
    #expect(TakeoverWord.hello(1).text == "sluice takeover 1")
    #expect(TakeoverWord.sockets(1, ["http"]).text == "sluice takeover 1 sockets\nhttp")
    #expect(TakeoverWord.serving(["a"]).text == "serving\na")
    #expect(TakeoverWord.ready.text == "ready")
    #expect(TakeoverWord("sluice takeover 1 only") == .only(1))
  }

  @Test(
    "is nothing else",
    arguments: [
      "", "\n", "x", "ready\n", "ready now", "sluice takeover", "sluice takeover ", "sluice takeover x",
      "sluice takeover 2 ", "sluice takeover 2 only x", "sluice takeover 2\nx", "sluice takeover 2 busy\n1",
      "sluice takeover 2 busy\nx\n1", "sluice takeover 2 busy\n99999999999\n1", "given up", "given up\na\nb",
    ])
  func none(_ text: String) { #expect(TakeoverWord(text) == nil) }
}
