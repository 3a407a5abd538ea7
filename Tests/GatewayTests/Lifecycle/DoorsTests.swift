import Testing

@testable import Gateway

@Suite("The doors")
struct DoorsTests {
  @Test("open once every upstream has answered, or the wait for the first list is over")
  func start() {
    var doors = Doors()
    #expect(doors.look(down: ["a"], allHaveAnswered: false) == .wait)
    #expect(doors.look(down: ["a"], allHaveAnswered: true) == .open)
    doors.listWaitEnded()
    #expect(doors.look(down: ["a"], allHaveAnswered: false) == .open)
  }

  @Test("do not stay closed for long because of what servers are in the legacy era")
  func faces() {
    var doors = Doors()
    #expect(doors.look(down: [], allHaveAnswered: true, areFacesKnown: false) == .wait)
    doors.faceWaitEnded()
    #expect(doors.look(down: [], allHaveAnswered: false, areFacesKnown: false) == .wait)
    #expect(doors.look(down: [], allHaveAnswered: true, areFacesKnown: false) == .open)
  }

  @Test("stay closed until the servers that are needed answer")
  func needed() {
    var doors = Doors(needed: ["a", "b"])
    #expect(doors.look(down: ["a"], allHaveAnswered: true) == .wait)
    doors.listWaitEnded()
    #expect(doors.look(down: ["b", "c"], allHaveAnswered: true) == .wait)
    #expect(doors.look(down: ["c"], allHaveAnswered: false) == .open)
  }

  @Test("are given up on when a server that is needed has not answered in time, others being no obstacle")
  func patience() {
    var doors = Doors(needed: ["a", "b"])
    doors.patienceEnded()
    #expect(doors.look(down: ["b", "c"], allHaveAnswered: false) == .giveUp(["b"]))
    #expect(doors.look(down: ["c"], allHaveAnswered: false) == .wait)
    doors.listWaitEnded()
    #expect(doors.look(down: ["c"], allHaveAnswered: false) == .open)
    doors.needNobody()
    #expect(doors.look(down: ["b", "c"], allHaveAnswered: false) == .open)
  }
}
