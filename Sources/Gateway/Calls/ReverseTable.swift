import MCP
import Wire

/// A server's request to a client (sampling, elicitation, roots, ping) on its way: the client answers under the
/// gateway's id, the upstream gets the answer under its own.
struct Reverse {
  /// The client session that was asked; only its answer counts.
  var session: Session
  /// The id that the upstream gave, exactly.
  var upstreamID: Token
  var binding: UpstreamSession?
  var opened: UpstreamSession.Open?
  var cluster: Cluster
  /// The call in whose course it was asked, `.none` for one that came outside of any.
  var exchange: ExchangeID
  /// It may be another call that the server asks for: the end of this one is not its end.
  var outlivesCall = false
}

/// The reverse requests of one worker, by slot and generation, named on the wire as exchanges are.
struct ReverseTable {
  private var slots: [(generation: UInt32, entry: Reverse?)] = []
  private var free: [Int] = []
  private var open: [Asked: Int] = [:]
  let worker: Int
  /// Of the first requests: another in each process, since a client that one process has asked may answer another.
  private let firstGeneration: UInt32

  /// Whom a server asks.
  private struct Asked: Hashable {
    var session: SessionID
    var upstream: Int

    init(_ entry: Reverse) {
      session = entry.session.id
      upstream = entry.cluster.number
    }
  }

  /// Requests of one server that a session may have open: a server that asks without end leaves room for others.
  static let mostOfServer = 64

  init(worker: Int, firstGeneration: UInt32 = .random(in: 1...0xFFF_FFFF)) {
    self.worker = worker
    self.firstGeneration = firstGeneration
  }

  /// Requests that are open.
  var count: Int { slots.count - free.count }

  /// Nil if there are too many.
  mutating func make(_ entry: Reverse) -> ExchangeID? {
    let asked = Asked(entry)
    guard open[asked, default: 0] < Self.mostOfServer else { return nil }
    let slot: Int
    if let last = free.popLast() {
      slot = last
    } else {
      guard slots.count < ExchangeID.slots else { return nil }
      slot = slots.count
      slots.append((firstGeneration, nil))
    }
    slots[slot].entry = entry
    open[asked, default: 0] += 1
    return ExchangeID(worker: worker, slot: slot, generation: slots[slot].generation)
  }

  /// Takes the entry out, if `session` is the one that was asked.
  mutating func take(_ id: ExchangeID, from session: Session) -> Reverse? {
    guard id.worker == worker, id.slot < slots.count, slots[id.slot].generation == id.generation,
      let entry = slots[id.slot].entry, entry.session === session
    else { return nil }
    release(id.slot)
    return entry
  }

  /// Takes out what was asked in the course of a call, with its id.
  mutating func takeAll(where matches: (Reverse) -> Bool) -> [(id: ExchangeID, entry: Reverse)] {
    guard free.count < slots.count else { return [] }
    var taken: [(ExchangeID, Reverse)] = []
    for slot in slots.indices {
      guard let entry = slots[slot].entry, matches(entry) else { continue }
      taken.append((ExchangeID(worker: worker, slot: slot, generation: slots[slot].generation), entry))
      release(slot)
    }
    return taken
  }

  /// What was asked in the course of a call carried no sign that it belongs to this one, and others are on their way.
  mutating func loosen(_ upstreamID: RawSpan, from call: ExchangeID) {
    for slot in slots.indices where slots[slot].entry?.exchange == call {
      if slots[slot].entry?.upstreamID.equals(upstreamID) == true { slots[slot].entry?.outlivesCall = true }
    }
  }

  private mutating func release(_ slot: Int) {
    if let asked = slots[slot].entry.map(Asked.init), let count = open[asked] {
      open[asked] = count > 1 ? count - 1 : nil
    }
    slots[slot].entry = nil
    slots[slot].generation = slots[slot].generation == 0xFFF_FFFF ? 1 : slots[slot].generation + 1
    free.append(slot)
  }
}
