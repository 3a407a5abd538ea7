import MCP
import Testing

@testable import Federation

@Suite("A second face")
struct SecondFaceStateTests {
  private typealias Action = SecondFaceState.Action

  @Test("One that costs a connection is opened as soon as the server is found to be modern, and once")
  func url() {
    var state = SecondFaceState(isCommand: false)
    #expect(state.found(.modern, isWanted: false) == .open && state.isOpen)
    #expect(state.found(.modern, isWanted: true) == .nothing)
    #expect(state.wanted() == .nothing)
  }

  @Test("That of a command waits for the first client of the legacy era")
  func command() {
    var state = SecondFaceState(isCommand: true)
    #expect(state.wanted() == .nothing, "nobody knows yet what the server is")
    #expect(state.found(.modern, isWanted: false) == .nothing && state.isUntried && !state.isOpen)
    #expect(state.wanted() == .open && state.isOpen && !state.isUntried)
    #expect(state.wanted() == .nothing)
    // A client that was there before the server was found has come for it too.
    state = SecondFaceState(isCommand: true)
    #expect(state.found(.modern, isWanted: true) == .open)
  }

  @Test("What was refused is not tried again until the server is found once more", arguments: [false, true])
  func refused(isCommand: Bool) {
    var state = SecondFaceState(isCommand: isCommand)
    _ = state.found(.modern, isWanted: true)
    #expect(state.refused() == .close && !state.isOpen)
    #expect(state.wanted() == .nothing && state.refused() == .nothing)
    #expect(state.found(.modern, isWanted: true) == .open)
    _ = state.refused()
    #expect(state.found(.modern, isWanted: false) == (isCommand ? .nothing : .open))
    #expect(state.isUntried == isCommand)
  }

  @Test("One that ends on `initialize` twice in a row is given up until the server is found again")
  func silent() {
    var state = SecondFaceState(isCommand: true)
    _ = state.found(.modern, isWanted: true)
    // A server that is down in both eras says nothing of either.
    for _ in 0..<5 { #expect(state.silent(isServerReady: false) == .nothing) }
    #expect(state.silent(isServerReady: true) == .nothing)
    _ = state.fared(isReady: true, isServerReady: true, now: 0)
    #expect(state.silent(isServerReady: true) == .nothing, "once after it was there")
    #expect(state.silent(isServerReady: true) == .close && !state.isOpen)
    #expect(state.found(.modern, isWanted: true) == .open)
    #expect(state.silent(isServerReady: true) == .nothing, "the server is another one")
  }

  @Test("One that is missed for long is away until it is back")
  func away() {
    var state = SecondFaceState(isCommand: true)
    _ = state.found(.modern, isWanted: true)
    #expect(state.fared(isReady: false, isServerReady: true, now: 10) == true)
    #expect(state.fared(isReady: false, isServerReady: true, now: 50) == false, "as before")
    #expect(state.waited(100, now: 109) == false && !state.isAway)
    #expect(state.waited(100, now: 110) == true && state.isAway)
    #expect(state.waited(100, now: 120) == false, "told once")
    #expect(state.fared(isReady: false, isServerReady: false, now: 130) == false && state.isAway, "nothing is better")
    #expect(state.fared(isReady: true, isServerReady: false, now: 140) == false && !state.isAway)
  }

  @Test("One that is back soon, or down with its server, is not away")
  func backSoon() {
    var state = SecondFaceState(isCommand: false)
    _ = state.found(.modern, isWanted: true)
    #expect(state.fared(isReady: false, isServerReady: true, now: 0) == true)
    _ = state.fared(isReady: true, isServerReady: true, now: 50)
    #expect(state.fared(isReady: false, isServerReady: true, now: 60) == true)
    #expect(state.waited(100, now: 100) == false, "it was there meanwhile")
    _ = state.fared(isReady: false, isServerReady: false, now: 110)
    #expect(state.waited(100, now: 1000) == false)
    #expect(state.fared(isReady: false, isServerReady: true, now: 1000) == true, "the server is back before it")
    #expect(state.waited(100, now: 1050) == false && state.waited(100, now: 1100))
  }

  @Test("A server that goes back to the legacy era needs none")
  func legacy() {
    var state = SecondFaceState(isCommand: false)
    #expect(state.found(.legacy, isWanted: true) == .nothing && !state.isOpen)
    _ = state.found(.modern, isWanted: false)
    #expect(state.found(.legacy, isWanted: true) == .close && !state.isOpen)
    #expect(state.found(.legacy, isWanted: true) == .nothing)
    #expect(state.wanted() == .nothing)
    #expect(state.found(.modern, isWanted: false) == .open)
  }

  @Test("A server that has learnt the modern era has one already")
  func former() {
    var state = SecondFaceState.former(isCommand: true)
    #expect(state.isOpen && state.found(.modern, isWanted: false) == .nothing)
    #expect(state.refused() == .close)
  }
}
