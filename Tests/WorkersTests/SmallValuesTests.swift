import Testing
import Wire

@testable import Workers

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

@Suite("What a connection is")
struct TagTests {
  static let kinds = (0..<12).compactMap(TagKind.init(rawValue:))

  @Test("its kind and its number come back from its tag, whatever the number", arguments: kinds)
  func both(_ kind: TagKind) {
    for value: UInt64 in [0, 1, 1 << 52 - 1, 1 << 56 - 1] {
      let tag = kind.tag(value)
      #expect(TagKind(of: tag) == kind && TagKind.value(of: tag) == value)
    }
  }

  @Test("a tag that nobody gave, or of a kind that there is not, is none")
  func none() {
    #expect(Self.kinds.count == 12)
    #expect(TagKind(of: 0) == .none && TagKind(of: 200 << 56 | 7) == .none)
  }
}

@Suite("Tokens of clients")
struct TokenTests {
  @Test("are kept exactly, whether they fit inline or not", arguments: [0, 1, 38, 39, 40, 5000])
  func exact(_ count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: 33 + $0 % 90) }
    let token = Token(bytes.rawBytes)
    let kept = token.bytes.array
    #expect(kept == bytes && token.isEmpty == (count == 0))
    let (longer, other) = (bytes + [33], [UInt8](repeating: 32, count: max(count, 1)))
    let equal = [token.equals(bytes.rawBytes), token.equals(longer.rawBytes), token.equals(other.rawBytes)]
    #expect(equal == [true, false, false])
    var buffer = ByteBuffer()
    token.append(to: &buffer)
    let written = buffer.bytes.array
    #expect(written == bytes)
  }
}

@Suite("Names of entries")
struct SlotIDTests {
  private enum Name {}
  private typealias ID = SlotID<Name>

  @Test("have their parts to themselves, up to the largest of each")
  func parts() {
    for worker in [0, SlotLimits.loops - 1] {
      for slot in [0, SlotLimits.slots - 1] {
        for generation: UInt32 in [1, 0xFFF_FFFF] {
          let id = ID(worker: worker, slot: slot, generation: generation)
          #expect(id.worker == worker && id.slot == slot && id.generation == generation)
          #expect(id.rawValue < 1 << 52, "a double holds it")
          let token = Array("\(id.rawValue)".utf8)
          let read = ID(token: token.rawBytes)
          #expect(read == id)
        }
      }
    }
  }

  @Test(
    "are none of what a peer may write in their place",
    arguments: ["", "\"1\"", "-1", "1.0", "1e3", "0x1", "4503599627370496", "99999999999999999999", " 1", "null"])
  func others(_ text: String) {
    let token = Array(text.utf8)
    let read = ID(token: token.rawBytes)
    #expect(read == nil)
  }
}

@Suite("Milliseconds of a time")
struct MillisecondsTests {
  @Test(
    "are whole ones, and never fewer than none",
    arguments: [
      (Duration.seconds(2), 2000), (.milliseconds(1), 1), (.microseconds(1999), 1), (.nanoseconds(1), 0), (.zero, 0),
      (.seconds(-5), 0), (.seconds(86_400), 86_400_000),
    ] as [(Duration, UInt64)])
  func whole(_ duration: Duration, _ milliseconds: UInt64) { #expect(duration.milliseconds == milliseconds) }
}
