import Testing

@testable import Sessions
@testable import Supervision

/// What the gateway itself listens for at a modern upstream (MCP 2026-07-28, Subscriptions).
@Suite("The gateway's own listens")
struct ListenSetTests {
  private func uris(_ names: some Sequence<Int>) -> Set<[UInt8]> { Set(names.map { Array("r://\($0)".utf8) }) }

  /// What is to be wanted now; the set hears of what is new in that.
  private func settle(_ wanted: Set<[UInt8]>, _ set: inout ListenSet, _ before: inout Set<[UInt8]>) -> ListenSet.Change
  {
    defer { before = wanted }
    return set.settle(
      Interests.Changes(wanted: Array(wanted.subtracting(before)), unwanted: Array(before.subtracting(wanted))))
  }

  /// Carries out what a set asks for, as an upstream that acknowledges everything.
  private func perform(_ change: ListenSet.Change, _ set: inout ListenSet, _ open: inout [Int: Set<[UInt8]>]) {
    for number in change.ended { open[number] = nil }
    for (number, uris) in change.opened {
      open[number] = Set(uris)
      set.acknowledged(number)
    }
    for number in change.replaced {
      set.end(number)
      open[number] = nil
    }
  }

  @Test("what is wanted is asked for by few listens, none of them larger than upstreams take")
  func growth() {
    var set = ListenSet()
    var open: [Int: Set<[UInt8]>] = [:]
    var before: Set<[UInt8]> = []
    var asked = 0
    for count in 1...2000 {
      let change = settle(uris(0..<count), &set, &before)
      asked += change.opened.reduce(0) { $0 + $1.uris.count }
      perform(change, &set, &open)
    }
    #expect(open.values.reduce(Set()) { $0.union($1) } == uris(0..<2000))
    #expect(open.values.reduce(0) { $0 + $1.count } == 2000, "nothing is asked for twice")
    #expect(open.values.allSatisfy { $0.count <= 512 })
    #expect(open.count <= 3 * 7 + 2000 / 256)
    #expect(asked <= 2000 * 5, "each is asked for anew as often as its listen grows eightfold")
  }

  @Test("a listen ends when nobody wants anything of it, and is asked anew without what nobody wants")
  func shrinking() {
    var set = ListenSet()
    var open: [Int: Set<[UInt8]>] = [:]
    var before: Set<[UInt8]> = []
    perform(settle(uris(0..<200), &set, &before), &set, &open)
    let few = settle(uris(0..<150), &set, &before)
    #expect(few.opened.isEmpty && few.ended.isEmpty, "some more than is wanted do not matter")
    perform(settle(uris(0..<20), &set, &before), &set, &open)
    #expect(Array(open.values) == [uris(0..<20)])
    let none = settle([], &set, &before)
    #expect(none.ended.count == 1 && none.opened.isEmpty)
    #expect(set.isEmpty)
  }

  @Test("an upstream that refuses is asked for less at a time, and not again for what it refuses alone")
  func refusals() {
    var set = ListenSet()
    let wanted = uris(0..<40)
    var taken: Set<[UInt8]> = []
    var rounds = 0
    var before: Set<[UInt8]> = []
    var change = settle(wanted, &set, &before)
    while !change.opened.isEmpty, rounds < 20 {
      rounds += 1
      for (number, uris) in change.opened {
        // It takes three at a time, and one of them never.
        if uris.count > 3 || uris.contains(Array("r://7".utf8)) {
          set.refuse(number)
        } else {
          set.acknowledged(number)
          taken.formUnion(uris)
        }
      }
      change = settle(wanted, &set, &before)
    }
    #expect(taken == wanted.subtracting([Array("r://7".utf8)]))
    #expect(settle(wanted, &set, &before).opened.isEmpty)
    #expect(set.refused == [Array("r://7".utf8)])
    _ = settle([], &set, &before)
    #expect(set.refused.isEmpty && set.isEmpty)
  }

  /// Settles until nothing is asked for any more, with an upstream that takes listens as it likes.
  /// - Returns: how many listens were asked for.
  private func persist(
    _ wanted: Set<[UInt8]>, _ set: inout ListenSet, _ before: inout Set<[UInt8]>, _ takes: ([[UInt8]]) -> Bool
  ) -> Int {
    var change = settle(wanted, &set, &before)
    var asked = 0
    while !change.opened.isEmpty, asked < 10_000 {
      asked += change.opened.count
      for (number, uris) in change.opened { if takes(uris) { set.acknowledged(number) } else { set.refuse(number) } }
      for number in change.replaced + change.ended { set.end(number) }
      change = settle(wanted, &set, &before)
    }
    return asked
  }

  @Test("a resource that is refused is found among others, and costs those nothing")
  func oneBogus() {
    var set = ListenSet()
    var before: Set<[UInt8]> = []
    let bogus = Array("r://77".utf8)
    let asked = persist(uris(0..<512), &set, &before) { !$0.contains(bogus) }
    #expect(asked == 1 + 2 * 9, "the listen is halved until the resource is alone")
    #expect(set.refused == [bogus])
    #expect(set.most == 512)
    let change = settle(uris(0..<1500), &set, &before)
    #expect(change.opened.map(\.uris.count).max() == 512, "others are asked for as many at a time as before")
  }

  @Test("what is refused is asked for again in two parts, however many it asked for", arguments: [2, 3, 5, 511])
  func halves(_ count: Int) {
    var set = ListenSet()
    var before: Set<[UInt8]> = []
    for (number, _) in settle(uris(0..<count), &set, &before).opened { set.refuse(number) }
    let again = set.settle(Interests.Changes()).opened.map(\.uris.count)
    #expect(again == [(count + 1) / 2, count / 2])
  }

  @Test("an upstream that takes less is asked for more again once it has taken eight of the largest, and not sooner")
  func patience() {
    var set = ListenSet()
    var before: Set<[UInt8]> = []
    // The second of the halves is the first of that size.
    _ = persist(uris(0..<512), &set, &before) { $0.count <= 300 }
    for taken in 2...8 {
      #expect(set.most == 256, "\(taken)")
      let change = settle(uris(0..<(256 * (taken + 1))), &set, &before)
      #expect(change.opened.map(\.uris.count) == [256])
      for (number, _) in change.opened { set.acknowledged(number) }
      for number in change.replaced + change.ended { set.end(number) }
    }
    #expect(set.most == 512)
  }

  @Test("a resource that is unwanted before it is found does not count against the others")
  func withdrawn() {
    var set = ListenSet()
    var before: Set<[UInt8]> = []
    let bogus = Array("r://7".utf8)
    for (number, _) in settle(uris(0..<40), &set, &before).opened { set.refuse(number) }
    _ = persist(uris(0..<40).subtracting([bogus]), &set, &before) { _ in true }
    #expect(set.most == 512 && set.refused.isEmpty)
  }

  @Test("an upstream that takes less is asked for less, and for more again once it has taken that for a while")
  func recovery() {
    var set = ListenSet()
    var before: Set<[UInt8]> = []
    _ = persist(uris(0..<512), &set, &before) { $0.count <= 300 }
    #expect(set.most == 256)
    let change = settle(uris(0..<1024), &set, &before)
    #expect(change.opened.map(\.uris.count) == [256, 256], "it is not tried again at once")
    for (number, _) in change.opened { set.acknowledged(number) }
    for number in change.replaced { set.end(number) }
    _ = persist(uris(0..<3072), &set, &before) { $0.count <= 512 }
    #expect(set.most == 512)
  }

  @Test("a change is taken from the listen that names the resource, or else what is nearest above it")
  func owners() {
    var set = ListenSet()
    var before: Set<[UInt8]> = []
    let (parent, child) = (Array("a://x".utf8), Array("a://x/y".utf8))
    let others = uris(0..<2)
    let first = settle(others.union([parent]), &set, &before).opened[0].number
    set.acknowledged(first)
    let addition = settle(others.union([parent, child]), &set, &before)
    let second = addition.opened[0].number
    #expect(addition.replaced.isEmpty)
    #expect(set.isTold(child, by: first), "until the other is acknowledged")
    set.acknowledged(second)
    #expect(set.isTold(child, by: second) && !set.isTold(child, by: first))
    #expect(set.isTold(Array("a://x/y/z".utf8), by: second) && !set.isTold(Array("a://x/y/z".utf8), by: first))
    #expect(set.isTold(Array("a://x/w".utf8), by: first) && !set.isTold(Array("a://x/w".utf8), by: second))
    #expect(set.isTold(Array("b://unknown".utf8), by: first))
  }
}
