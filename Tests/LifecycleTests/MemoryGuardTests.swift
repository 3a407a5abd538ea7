import Testing

@testable import Lifecycle
@testable import Workers

@Suite("The guard of the memory")
struct MemoryGuardTests {
  private static let mebibyte: Int64 = 1 << 20
  private var guardian = MemoryGuard()

  private mutating func look(_ unused: Int64, resident: UInt64 = 0, didTrim: Bool = false) -> MemoryGuard.Action {
    guardian.look(Allowance.Fill(used: resident, limit: 1000), unused: unused, didTrim: didTrim)
  }

  @Test("gives a mebibyte back at once, and less when it is quiet")
  mutating func trims() {
    #expect(look(-500) == .none)
    #expect(look(Self.mebibyte) == .trim)
    #expect(look(0, didTrim: true) == .none)
    #expect(look(200_000) == .none)
    #expect(look(200_100) == .trim)
    #expect(look(1000, didTrim: true) == .none)
  }

  @Test("tries again in the quiet what could not be given back before, and only once")
  mutating func settles() {
    #expect(look(0) == .none)
    #expect(look(8 * Self.mebibyte) == .trim)
    #expect(look(7 * Self.mebibyte, didTrim: true) == .none)
    #expect(look(7 * Self.mebibyte) == .trim)
    #expect(look(6 * Self.mebibyte, didTrim: true) == .none)
    #expect(look(6 * Self.mebibyte) == .none)
    #expect(look(6 * Self.mebibyte) == .none)
  }

  private static func excess(_ bytes: UInt64, of used: UInt64) -> MemoryGuard.Action {
    .relieve(MemoryGuard.Excess(bytes: bytes, used: used))
  }

  @Test("has room made above eight tenths of the limit, down to seven, before it refuses anything")
  mutating func relieves() {
    #expect(look(0, resident: 800) == .none)
    #expect(look(0, resident: 801) == Self.excess(101, of: 801))
    #expect(look(0, resident: 900) == Self.excess(200, of: 900))
    #expect(look(0, resident: 700) == .none)
    #expect(look(5 * Self.mebibyte, resident: 990) == .trim)
    #expect(look(0, resident: 890, didTrim: true) == Self.excess(190, of: 890))
    #expect(look(0, resident: 800) == .none)
    #expect(!guardian.isShort && !guardian.isShedding)
  }

  @Test("refuses work above nine tenths of the limit, has room made all the while, and takes work again below eight")
  mutating func sheds() {
    #expect(look(0, resident: 900) == Self.excess(200, of: 900))
    #expect(look(0, resident: 901) == .shed(true))
    #expect(MemoryGuard.Excess(Allowance.Fill(used: 901, limit: 1000)) == MemoryGuard.Excess(bytes: 201, used: 901))
    #expect(look(0, resident: 850) == Self.excess(150, of: 850))
    #expect(look(0, resident: 800) == .shed(false))
    #expect(look(5 * Self.mebibyte, resident: 950) == .trim)
    #expect(look(0, resident: 950, didTrim: true) == .shed(true))
  }

  @Test("asks all for the same part of what they keep, and those that keep little for nothing")
  func shares() {
    let excess = MemoryGuard.Excess(bytes: 200, used: 800)
    #expect(excess.leaves(of: 400) == 300)
    #expect(excess.leaves(of: 30) == 25)
    #expect(excess.leaves(of: 25) == 25)
    #expect(excess.leaves(of: 0) == 0)
    #expect(MemoryGuard.Excess(bytes: 900, used: 800).leaves(of: 400) == 25)
  }

  @Test("refuses nothing where no bound is known")
  mutating func unbounded() {
    #expect(guardian.look(Allowance.Fill(used: .max, limit: 0), unused: 0, didTrim: false) == .none)
  }

  @Test(
    "goes by the share that is used, however large the bound is", arguments: [10, 1000, 1 << 30, UInt64.max / 10 * 10])
  func bounds(_ limit: UInt64) {
    let tenth = limit / 10
    for (tenths, isMore, action): (UInt64, Bool, String) in [
      (0, false, "none"), (8, false, "none"), (8, true, "relieve"), (9, false, "relieve"), (9, true, "shed"),
      (10, false, "shed"),
    ] {
      var guardian = MemoryGuard()
      let fill = Allowance.Fill(used: tenths * tenth + (isMore ? 1 : 0), limit: limit)
      let found = guardian.look(fill, unused: 0, didTrim: false)
      #expect("\(found)".contains(action), "\(tenths) of \(limit)")
      #expect(guardian.isShort == (action != "none") && guardian.isShedding == (action == "shed"))
    }
  }

  @Test("changes its mind about new work once on the way up and once on the way down")
  mutating func hysteresis() {
    var changes: [UInt64] = []
    for used in Array(UInt64(0)...1000) + Array(UInt64(0)...1000).reversed() {
      if case .shed = look(0, resident: used) { changes.append(used) }
    }
    #expect(changes == [901, 800])
  }

  @Test("asks of loops that keep much together for as much as is to be given up, and of none for more than it keeps")
  func sums() {
    let kept = [200_000, 300_000, 500_000]
    let used = UInt64(kept.reduce(0, +))
    for bytes: UInt64 in [1, 100_000, used / 2] {
      let left = kept.map(MemoryGuard.Excess(bytes: bytes, used: used).leaves)
      #expect(zip(left, kept).allSatisfy { $0 <= $1 })
      let freed = UInt64(used) - UInt64(left.reduce(0, +))
      #expect(freed <= bytes && freed + 3 >= bytes, "\(freed) of \(bytes)")
    }
    #expect(MemoryGuard.Excess(bytes: 5, used: 0).leaves(of: 10) == 10, "nothing is known to be used")
  }
}
