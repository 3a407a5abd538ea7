import MCP
import Testing

@testable import Gateway

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
