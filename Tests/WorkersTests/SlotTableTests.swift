import Testing

@testable import Workers

@Suite("Slot tables")
struct SlotTableTests {
  private enum Name {}

  private final class Entry {
    var value = 0
  }

  private func reuse(_ table: inout SlotTable<Name, Entry>) throws -> (id: SlotID<Name>, entry: Entry) {
    let taken = table.reuse(or: Entry.init)
    return try #require(taken)
  }

  private func insert<Value>(_ value: Value, _ table: inout SlotTable<Name, Value>) throws -> SlotID<Name> {
    let id = table.insert(value)
    return try #require(id)
  }

  @Test("an entry is found by its id until it is let go, and never by that of another")
  func finding() throws {
    var table = SlotTable<Name, Entry>(worker: 3)
    let (first, entry) = try reuse(&table)
    #expect(first.worker == 3)
    #expect(table.find(first) === entry)
    #expect(table.find(SlotID(worker: 2, slot: first.slot, generation: first.generation)) == nil)
    #expect(table.find(SlotID(worker: 3, slot: first.slot + 1, generation: first.generation)) == nil)
    let isReleased = table.release(first)
    #expect(isReleased)
    #expect(table.find(first) == nil)
    let isReleasedAgain = table.release(first)
    #expect(!isReleasedAgain)
    // Nor by one that is still to be given.
    #expect(table.find(SlotID(worker: 3, slot: first.slot, generation: first.generation + 1)) == nil)
  }

  @Test("an object that was let go serves the next, under another name")
  func reuse() throws {
    var table = SlotTable<Name, Entry>(worker: 0)
    let (first, entry) = try reuse(&table)
    table.release(first)
    let (second, again) = try reuse(&table)
    #expect(again === entry)
    #expect(second != first)
    #expect(second.slot == first.slot)
    #expect(table.highWater == 1)
  }

  @Test("a value that is removed is gone at once")
  func removal() throws {
    var table = SlotTable<Name, String>(worker: 0)
    let id = try insert("a", &table)
    table.change(id) { $0 += "b" }
    let (taken, again) = (table.remove(id), table.remove(id))
    #expect(taken == "ab")
    #expect(again == nil)
    #expect(table.count == 0)
  }

  @Test("those in use are walked, whatever was let go between them", arguments: 0..<8)
  func walking(_ removed: Int) throws {
    var table = SlotTable<Name, Int>(worker: 0)
    let ids = try (0..<8).map { try insert($0, &table) }
    table.remove(ids[removed])
    #expect(Set(table.ids { _ in true }) == Set(ids).subtracting([ids[removed]]))
    #expect(table.count == 7)
    #expect(!table.contains { $0 == removed })
    let other = try insert(9, &table)
    #expect(table.ids { $0 == 9 } == [other])
    for id in table.ids(where: { _ in true }) { table.remove(id) }
    #expect(table.ids { _ in true }.isEmpty)
  }

  @Test("generations start again after the last, and never at 0")
  func generations() throws {
    var table = SlotTable<Name, Int>(worker: 0, firstGeneration: 0xFFF_FFFF)
    let last = try insert(1, &table)
    #expect(last.generation == 0xFFF_FFFF)
    table.remove(last)
    let first = try insert(2, &table)
    #expect(first.generation == 1)
  }
}
