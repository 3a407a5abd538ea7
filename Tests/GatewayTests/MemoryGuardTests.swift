import Testing

@testable import Gateway

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

  @Test("refuses work above nine tenths of the limit, and takes it again below eight")
  mutating func sheds() {
    #expect(look(0, resident: 900) == .none)
    #expect(look(0, resident: 901) == .shed(true))
    #expect(look(0, resident: 850) == .none)
    #expect(look(0, resident: 800) == .shed(false))
    #expect(look(5 * Self.mebibyte, resident: 950) == .trim)
    #expect(look(0, resident: 950, didTrim: true) == .shed(true))
  }

  @Test("refuses nothing where no bound is known")
  mutating func unbounded() {
    #expect(guardian.look(Allowance.Fill(used: .max, limit: 0), unused: 0, didTrim: false) == .none)
  }
}
