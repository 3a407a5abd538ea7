import MCP
import Wire

/// An immutable hash table from names to places in a list. Keys lie in one array, compared as bytes: looking one up
/// makes no String and takes no memory. Keys of different scopes don't meet.
struct NameTable: Sendable {
  private struct Slot: Sendable {
    var hash: UInt64
    /// Place plus one; 0 is free.
    var place: UInt32
    var scope: UInt32
    var key: Slice
  }

  private var slots: [Slot]
  private var arena: [UInt8] = []
  private(set) var count = 0

  init(capacity: Int) {
    var size = 8
    while size < capacity * 2 { size *= 2 }
    slots = Array(
      repeating: Slot(hash: 0, place: 0, scope: 0, key: Slice(offset: 0, length: 0)), count: size)
  }

  /// Adds a key; the first of two equal ones stays.
  mutating func insert(_ key: [UInt8], scope: Int = 0, place: Int) {
    guard find(key.rawBytes, scope: scope) == nil else { return }
    if (count + 1) * 2 > slots.count { grow() }
    let start = arena.count
    arena.append(contentsOf: key)
    put(
      Slot(
        hash: FastHash.hash(key.rawBytes), place: UInt32(place + 1), scope: UInt32(scope),
        key: Slice(offset: start, length: key.count)))
    count += 1
  }

  func find(_ key: RawSpan, scope: Int = 0) -> Int? {
    let hash = FastHash.hash(key)
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: hash) & mask
    let bytes = arena.rawBytes
    while slots[index].place != 0 {
      let slot = slots[index]
      if slot.hash == hash, slot.scope == UInt32(scope), bytes[slot.key].equals(key) { return Int(slot.place) - 1 }
      index = (index + 1) & mask
    }
    return nil
  }

  private mutating func put(_ slot: Slot) {
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: slot.hash) & mask
    while slots[index].place != 0 { index = (index + 1) & mask }
    slots[index] = slot
  }

  private mutating func grow() {
    let old = slots
    slots = Array(
      repeating: Slot(hash: 0, place: 0, scope: 0, key: Slice(offset: 0, length: 0)), count: old.count * 2)
    for slot in old where slot.place != 0 { put(slot) }
  }
}
