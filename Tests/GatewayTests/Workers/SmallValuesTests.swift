import Testing

@testable import Gateway

@Suite("What several must have done")
struct GatheringTests {
  @Test("is done with the last of them, once", arguments: [1, 2, 5])
  func last(count: Int) {
    let gathering = Gathering(count)
    for number in 1...count {
      #expect(!gathering.isOver)
      #expect(gathering.arrive() == (number == count))
    }
    #expect(gathering.isOver)
    #expect(!gathering.arrive() && !gathering.expire(), "who comes later changes nothing")
  }

  @Test("is done without them when its time is up, once")
  func expired() {
    let gathering = Gathering(3)
    #expect(!gathering.arrive())
    #expect(gathering.expire() && gathering.isOver)
    #expect(!gathering.expire() && !gathering.arrive())
  }
}

@Suite("Whether a gateway serves")
struct PhaseTests {
  @Test("it ends where nobody goes on with its clients, and only drains where somebody does", arguments: [true, false])
  func draining(hasSuccessor: Bool) {
    let phase = Phase()
    #expect(!phase.isDraining && !phase.isEnding)
    phase.startDraining(hasSuccessor: hasSuccessor)
    #expect(phase.isDraining && phase.isEnding == !hasSuccessor)
    // A second word does not take back that there is a successor.
    phase.startDraining(hasSuccessor: false)
    #expect(phase.isDraining && phase.isEnding == !hasSuccessor)
  }
}
