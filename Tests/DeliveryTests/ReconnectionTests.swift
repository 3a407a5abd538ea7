import Testing

@testable import Delivery

@Suite("When clients come back")
struct ReconnectionTests {
  /// How many of these times fall into each second.
  private static func bySecond(_ times: [UInt64]) -> [UInt64: Int] {
    Dictionary(times.map { ($0 / 1000, 1) }, uniquingKeysWith: +)
  }

  @Test("10,000 clients that a drain sends away do not come back in the same second", arguments: [1, 2, 3] as [UInt64])
  func drained(_ seed: UInt64) {
    var reconnection = Reconnection(seed: seed)
    let times = (0..<10_000).map { reconnection.drained(among: 10_000 - $0) }
    #expect(times.allSatisfy { (500...10_500).contains($0) })
    #expect(Self.bySecond(times).values.allSatisfy { $0 < 1200 })
  }

  @Test("a few come back soon, and very many within half a minute")
  func bounds() {
    var few = Reconnection(seed: 7)
    #expect((0..<1000).allSatisfy { _ in (500...5000).contains(few.drained(among: 10)) })
    var many = Reconnection(seed: 7)
    #expect((0..<1000).allSatisfy { _ in (500...30_000).contains(many.drained(among: .max)) })
    #expect((0..<1000).contains { _ in many.drained(among: 1) > 20_000 }, "they are as many as the drain found")
    #expect((0..<1000).allSatisfy { _ in (750...30_000).contains(many.usual(among: .max)) })
  }

  @Test("a stream that begins is told about what clients take by themselves, and the later ones of many more than that")
  func usual() {
    var reconnection = Reconnection(seed: 7)
    let first = (0..<100).map { reconnection.usual(among: $0) }
    #expect(first.allSatisfy { (750...1250).contains($0) } && Set(first).count > 50)
    let all = (0..<10_000).map { reconnection.usual(among: $0) }
    #expect(Self.bySecond(all).values.allSatisfy { $0 < 3500 })
  }

  @Test("the same seed gives the same times")
  func seeded() {
    var (one, two, other) = (Reconnection(seed: 7), Reconnection(seed: 7), Reconnection(seed: 8))
    let times = (0..<10).map { one.drained(among: $0) }
    #expect(times == (0..<10).map { two.drained(among: $0) })
    #expect(times != (0..<10).map { other.drained(among: $0) })
  }
}
