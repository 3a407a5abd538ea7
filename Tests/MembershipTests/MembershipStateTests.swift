import Testing

@testable import Membership

/// Which endpoints there are, and by which index each is known.
@Suite("The endpoints that names lead to")
struct MembershipStateTests {
  private var state = MembershipState(origins: 1, most: 8)

  private func address(_ index: Int) -> String? { state.member(at: index)?.address }

  @Test("are the name itself until that is known")
  mutating func unknown() {
    #expect(state.members == [0] && state.member(at: 0) == .init(origin: 0, address: nil))
    let change = state.found(["a", "b"], of: 0, now: 0)
    #expect(change.joined == [.init(index: 1, address: "a"), .init(index: 2, address: "b")] && change.left == [0])
    #expect(state.members == [1, 2])
  }

  @Test("keep their index as long as they are there, whatever becomes of the others")
  mutating func stable() {
    _ = state.found(["a", "b"], of: 0, now: 0)
    let change = state.found(["c", "b"], of: 0, now: 0)
    #expect(change == .init(joined: [.init(index: 3, address: "c")], left: [1]))
    #expect(state.members == [2, 3] && address(2) == "b" && address(3) == "c")
    #expect(state.found(["b", "c"], of: 0, now: 0) == .init())
  }

  @Test("have another index when they come back, as what was begun may not have ended")
  mutating func back() {
    _ = state.found(["a", "b"], of: 0, now: 0)
    _ = state.found(["b"], of: 0, now: 0)
    #expect(state.found(["a", "b"], of: 0, now: 0).joined == [.init(index: 3, address: "a")])
    #expect(state.members == [2, 3])
  }

  @Test("leave an index that is used again when nothing is under way there, and not soon")
  mutating func reuse() {
    _ = state.found(["a", "b"], of: 0, now: 0)
    _ = state.found(["b"], of: 0, now: 0)
    state.drained(1, now: 100)
    // What has not left is not free, whoever says so.
    state.drained(2, now: 100)
    #expect(state.found(["b", "c"], of: 0, now: 99 + MembershipState.rest).joined.map(\.index) == [3])
    #expect(state.found(["b", "d"], of: 0, now: 100 + MembershipState.rest).joined.map(\.index) == [1])
    #expect(state.members == [1, 2] && address(2) == "b")
  }

  @Test("are no more than there are indices, and never none")
  mutating func full() {
    let change = state.found((0..<9).map { "\($0)" }, of: 0, now: 0)
    #expect(change.joined.count == 7 && change.ignored == ["7", "8"] && state.members == Array(1...7))
    // All indices are taken, or not free yet: what is there stays.
    let other = state.found(["x"], of: 0, now: 0)
    #expect(other == .init(ignored: ["x"]) && state.members == Array(1...7))
  }

  @Test("come and go with the name that leads there, and with no other")
  mutating func several() {
    state = MembershipState(origins: 3, most: 100)
    _ = state.found(["a", "b"], of: 0, now: 0)
    _ = state.found(["a"], of: 2, now: 0)
    #expect(state.members == [1, 3, 4, 5])
    #expect(state.found(["c"], of: 2, now: 0).left == [5])
    #expect(state.members == [1, 3, 4, 6] && state.member(at: 1) == .init(origin: 1, address: nil))
  }

  @Test("differ in what a call knows them by, as long as there are few enough")
  mutating func bits() {
    state = MembershipState(origins: 1, most: 1024)
    var now: UInt64 = 0
    for round in 0..<500 {
      now += 60_000
      let change = state.found((round..<round + 5).map { "\($0)" }, of: 0, now: now)
      #expect(state.members.count == 5 && Set(state.members.map { $0 & 63 }).count == 5)
      for index in change.left { state.drained(index, now: now) }
    }
    #expect(state.members.allSatisfy { $0 < 64 })
  }

  @Test("never come to be none or to share an index, whatever the answers are")
  mutating func random() {
    var random = SystemRandomNumberGenerator()
    state = MembershipState(origins: 2, most: 40)
    var now: UInt64 = 0
    var leaving: [Int] = []
    for _ in 0..<2000 {
      now += .random(in: 0..<200_000, using: &random)
      let found = (0..<20).map { "\($0)" }.filter { _ in Bool.random(using: &random) }
      guard !found.isEmpty else { continue }
      let origin = Int.random(in: 0...1, using: &random)
      let before = Set(state.members)
      let change = state.found(found, of: origin, now: now)
      leaving += change.left
      #expect(Set(change.joined.map(\.index)).isDisjoint(with: before.union(leaving)))
      let addresses = state.members.compactMap { state.member(at: $0) }.filter { $0.origin == origin }.map(\.address)
      #expect(!addresses.isEmpty && Set(addresses).count == addresses.count)
      if change.ignored.isEmpty { #expect(Set(addresses) == Set(found)) }
      leaving.removeAll { index in
        guard Bool.random(using: &random) else { return false }
        state.drained(index, now: now)
        return true
      }
    }
  }
}
