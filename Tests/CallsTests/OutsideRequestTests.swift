import MCP
import Testing

@testable import OpenCalls
@testable import Workers

@Suite("Who gets a question outside of calls")
struct OutsideRequestTests {
  private typealias Call = OutsideRequest.Call
  private let ada: SessionID
  private let bob: SessionID

  init() {
    ada = SessionID(worker: 0)
    bob = SessionID(worker: 1)
  }

  private func call(_ slot: Int, _ session: SessionID?) -> OutsideRequest.Call {
    OutsideRequest.Call(id: CallID(worker: 0, slot: slot, generation: 1), session: session)
  }

  @Test("In the course of the only call")
  func one() {
    for isHeard in [true, false] {
      let found = OutsideRequest.addressee(owner: ada, isHeard: isHeard, calls: [call(1, ada)])
      #expect(found == .call(call(1, ada).id))
    }
    #expect(OutsideRequest.addressee(owner: nil, isHeard: false, calls: [call(1, bob)]) == .call(call(1, bob).id))
  }

  @Test("With several or none, on the stream of the client whose conversation it is")
  func several() {
    let calls = [call(1, ada), call(2, ada)]
    #expect(OutsideRequest.addressee(owner: ada, isHeard: true, calls: calls) == .owner)
    #expect(OutsideRequest.addressee(owner: ada, isHeard: true, calls: []) == .owner)
    #expect(OutsideRequest.addressee(owner: ada, isHeard: false, calls: calls) == .call(calls[1].id))
    #expect(OutsideRequest.addressee(owner: ada, isHeard: false, calls: []) == .nobody)
  }

  @Test("Nobody where several clients have calls on their way, or none that can be asked")
  func others() {
    let calls = [call(1, ada), call(2, bob)]
    #expect(OutsideRequest.addressee(owner: nil, isHeard: false, calls: calls) == .unclear)
    #expect(OutsideRequest.addressee(owner: nil, isHeard: false, calls: [call(1, ada), call(2, nil)]) == .unclear)
    #expect(OutsideRequest.addressee(owner: nil, isHeard: false, calls: [call(2, nil), call(3, nil)]) == .nobody)
    #expect(OutsideRequest.addressee(owner: nil, isHeard: false, calls: []) == .nobody)
    // The only call fails for it, though its client can't be asked.
    #expect(OutsideRequest.addressee(owner: nil, isHeard: false, calls: [call(2, nil)]) == .call(call(2, nil).id))
  }
}
