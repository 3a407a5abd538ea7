import Reactor
import Wire

/// Names an entry of a loop's table, `Name` being the kind of entry: its loop, its slot and the slot's generation, in 52 bits, so that it can stand in JSON
/// as an id or a progress token, and finding what it names is an index. One whose entry is gone is found out.
public struct SlotID<Name>: Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  init(worker: Int, slot: Int, generation: UInt32) {
    rawValue = UInt64(generation & 0xFFF_FFFF) << 24 | UInt64(worker) << 18 | UInt64(slot)
  }

  /// From a token on the wire; nil for anything that nothing can be called.
  public init?(token: RawSpan) {
    guard let value = token.decimal, value < 1 << 52 else { return nil }
    rawValue = value
  }

  public static var none: Self { Self(rawValue: 0) }

  public var worker: Int { Int(rawValue >> 18) & (SlotLimits.loops - 1) }
  public var slot: Int { Int(rawValue) & (SlotLimits.slots - 1) }
  var generation: UInt32 { UInt32(rawValue >> 24) }
}

/// What there is room for in the name of an entry.
public enum SlotLimits {
  static let slots = 1 << 18
  public static let loops = 1 << 6
}

/// The entries of one loop, by slot. An object that is let go stays in its slot for the next one that needs it: nothing is
/// allocated once the table has grown. A walk takes a step for each entry, and one for each 64 slots.
public struct SlotTable<Name, Entry> {
  /// What is known of a slot beside its entry.
  private struct Place: Equatable {
    var generation: UInt32
    /// The next slot that is free, of a free one.
    var next: UInt32

    static var inUse: UInt32 { .max }
    static var end: UInt32 { .max - 1 }
  }

  private var places: [Place] = []
  private var entries: [Entry?] = []
  /// A bit for each slot that is in use.
  private var bits: [UInt64] = []
  private var firstFree = Place.end
  public private(set) var count = 0
  let worker: Int
  /// Of the first entries.
  private let firstGeneration: UInt32

  public init(worker: Int, firstGeneration: UInt32 = 1) {
    self.worker = worker
    self.firstGeneration = firstGeneration
  }

  /// Slots that ever were in use.
  var highWater: Int { places.count }

  /// Takes an object that was let go, or a new one. nil if there are as many as ids have room for.
  public mutating func reuse(or make: () -> Entry) -> (id: SlotID<Name>, entry: Entry)? {
    guard let id = take() else { return nil }
    if let entry = entries[id.slot] { return (id, entry) }
    let entry = make()
    entries[id.slot] = entry
    return (id, entry)
  }

  /// nil if there are as many as ids have room for.
  public mutating func insert(_ entry: Entry) -> SlotID<Name>? {
    guard let id = take() else { return nil }
    entries[id.slot] = entry
    return id
  }

  private mutating func take() -> SlotID<Name>? {
    let slot: Int
    var place = Place(generation: firstGeneration, next: Place.inUse)
    if firstFree != Place.end {
      slot = Int(firstFree)
      place.generation = places[slot].generation
      firstFree = places[slot].next
      places[slot] = place
    } else {
      guard places.count < SlotLimits.slots else { return nil }
      slot = places.count
      places.append(place)
      entries.append(nil)
      if slot & 63 == 0 { bits.append(0) }
    }
    bits[slot >> 6] |= 1 << UInt64(slot & 63)
    count += 1
    return SlotID(worker: worker, slot: slot, generation: place.generation)
  }

  public func contains(_ id: SlotID<Name>) -> Bool {
    let slot = id.slot
    guard id.worker == worker, slot < places.count else { return false }
    let place = places[slot]
    return place.generation == id.generation && place.next == Place.inUse
  }

  /// nil once it is gone.
  public func find(_ id: SlotID<Name>) -> Entry? { contains(id) ? entries[id.slot] : nil }

  /// The entry of a slot that is in use.
  public func entry(at slot: Int) -> Entry? { entries[slot] }

  /// Changes an entry in its place.
  public mutating func change(_ id: SlotID<Name>, _ body: (inout Entry) -> Void) {
    guard contains(id), entries[id.slot] != nil else { return }
    body(&entries[id.slot]!)
  }

  /// Lets an object go, which is kept for the next. False if it is gone already.
  @discardableResult
  public mutating func release(_ id: SlotID<Name>) -> Bool {
    guard contains(id) else { return false }
    let slot = id.slot
    let generation = id.generation
    places[slot] = Place(generation: generation == 0xFFF_FFFF ? 1 : generation + 1, next: firstFree)
    firstFree = UInt32(slot)
    bits[slot >> 6] &= ~(1 << UInt64(slot & 63))
    count -= 1
    return true
  }

  /// Takes a value out, of which nothing is kept.
  @discardableResult
  public mutating func remove(_ id: SlotID<Name>) -> Entry? {
    guard contains(id), let entry = entries[id.slot] else { return nil }
    entries[id.slot] = nil
    release(id)
    return entry
  }

  /// Those for which `matches` holds.
  public func ids(where matches: (Entry) -> Bool) -> [SlotID<Name>] {
    var found: [SlotID<Name>] = []
    walk { slot, entry in
      if matches(entry) { found.append(SlotID(worker: worker, slot: slot, generation: places[slot].generation)) }
      return true
    }
    return found
  }

  public func contains(where matches: (Entry) -> Bool) -> Bool {
    var isFound = false
    walk { _, entry in
      isFound = matches(entry)
      return !isFound
    }
    return isFound
  }

  /// Goes through those in use, for as long as `body` wants to go on.
  private func walk(_ body: (Int, Entry) -> Bool) {
    guard count > 0 else { return }
    for (index, word) in bits.enumerated() {
      var rest = word
      while rest != 0 {
        let slot = index << 6 | rest.trailingZeroBitCount
        rest &= rest - 1
        if let entry = entries[slot], !body(slot, entry) { return }
      }
    }
  }
}

extension SlotTable where Entry: AnyObject {
  /// The same without counting a reference: an object stays in its slot as long as the table is there, whoever has it by
  /// then. nil once what had that name is gone.
  public func lend(_ id: SlotID<Name>) -> Lent<Entry>? {
    guard contains(id), let entry = entries[id.slot] else { return nil }
    return Lent(entry)
  }
}
