import Testing

@testable import Lifecycle

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

  /// What can become known, in any order.
  enum Event: CaseIterable { case listWait, faceWait, patience, nobodyNeeded }

  private static func doors(after events: [Event]) -> Doors {
    var doors = Doors(needed: ["a"])
    for event in events {
      switch event {
      case .listWait: doors.listWaitEnded()
      case .faceWait: doors.faceWaitEnded()
      case .patience: doors.patienceEnded()
      case .nobodyNeeded: doors.needNobody()
      }
    }
    return doors
  }

  private static func look(_ doors: Doors) -> [Doors.Action] {
    [Set(), ["a"], ["b"]].flatMap { (down: Set<String>) in
      [(false, false), (true, false), (true, true)].map {
        doors.look(down: down, allHaveAnswered: $0, areFacesKnown: $1)
      }
    }
  }

  @Test("go by what is over and not by what was over first", arguments: Event.allCases, Event.allCases)
  func order(_ first: Event, _ second: Event) {
    #expect(Self.look(Self.doors(after: [first, second])) == Self.look(Self.doors(after: [second, first])))
    #expect(Self.look(Self.doors(after: [first, first])) == Self.look(Self.doors(after: [first])))
  }

  @Test("that could be opened are not closed by a wait that ends", arguments: Event.allCases, Event.allCases)
  func staysOpen(_ first: Event, _ second: Event) {
    let (before, after) = (Self.look(Self.doors(after: [first])), Self.look(Self.doors(after: [first, second])))
    for (before, after) in zip(before, after) where before == .open { #expect(after == .open) }
  }

  @Test("name all servers that are missing, in the order in which they were asked for")
  func missing() {
    var doors = Doors(needed: ["c", "a", "b"])
    doors.patienceEnded()
    doors.listWaitEnded()
    #expect(doors.look(down: ["b", "c", "z"], allHaveAnswered: true) == .giveUp(["c", "b"]))
  }
}
