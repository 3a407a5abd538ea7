import Routing
import Testing
import Wire

/// Where keys belong, and what moves.
@Suite struct RingTests {
  static let million = Placements.keys(1_000_000)

  @Test(
    "a million keys are spread over ten endpoints, none above 1.2 times the mean, and one that comes takes its share")
  func spreadAndComing() {
    let members = Placements.members(11)
    let before = Placements.homes(Ring(members.dropLast()), Self.million)
    let shares = Placements.shares(before, members.dropLast())
    #expect(shares.max()! <= 1.2 && shares.min()! >= 0.8, "\(shares)")
    let after = Placements.homes(Ring(members), Self.million)
    let moved = zip(before, after).filter { $0 != $1 }
    #expect(moved.allSatisfy { $1 == 10 }, "between those that stay nothing moves")
    #expect(Double(moved.count) <= 1.2 * Double(Self.million.count) / 11, "\(moved.count)")
  }

  @Test(
    "a million keys are spread as weights say, none above 1.2 times its share, and one that goes leaves only its own")
  func spreadByWeightAndGoing() {
    let members = Placements.members(10) { $0 % 4 + 1 }
    let before = Placements.homes(Ring(members), Self.million)
    let shares = Placements.shares(before, members)
    #expect(shares.max()! <= 1.2 && shares.min()! >= 0.8, "\(shares)")
    let after = Placements.homes(Ring(members.dropLast()), Array(Self.million.prefix(200_000)))
    #expect(zip(before, after).allSatisfy { $0 == 9 ? $1 != 9 : $1 == $0 })
  }

  @Test("the bounds hold for any names", arguments: 1...40)
  func anyNames(group: Int) {
    let keys = Self.million.prefix(20_000)
    let members = Placements.members(11, group: group)
    let before = Placements.homes(Ring(members.dropLast()), Array(keys))
    #expect(Placements.shares(before, members.dropLast()).max()! <= 1.25)
    let after = Placements.homes(Ring(members), Array(keys))
    let moved = zip(before, after).count { $0 != $1 }
    #expect(Double(moved) <= 1.2 * Double(keys.count) / 11, "\(moved)")
  }

  @Test("the order in which endpoints are given makes no difference")
  func anyOrder() {
    let members = Placements.members(7) { $0 + 1 }
    let (ring, reversed) = (Ring(members), Ring(members.reversed()))
    for key in Self.million.prefix(5000) {
      #expect(Placements.order(ring, key) == Placements.order(reversed, key).map { 6 - $0 })
    }
  }

  @Test("the same endpoints have the same keys in every process and every version")
  func pinned() {
    let ring = Ring(Placements.members(10) { $0 % 3 + 1 })
    let homes = Self.million.prefix(40).map { String(ring.member(of: $0)!) }.joined()
    #expect(homes == "5287576752645582507897808186758007225547")
    let bytes = Self.million.prefix(10_000).map { UInt8(ring.member(of: $0)!) }
    #expect(SipHash(key: InlineArray(repeating: 0)).hash64(bytes.rawBytes) == 8_658_304_573_402_688_049)
  }

  @Test("a key comes to each endpoint once, and as if those before were not there")
  func replicas() {
    let members = Placements.members(6) { $0 + 1 }
    let ring = Ring(members)
    for key in Self.million.prefix(200) {
      let order = Placements.order(ring, key)
      #expect(order.sorted() == Array(0..<6) && order[0] == ring.member(of: key))
      let others = (0..<6).filter { $0 != order[0] }
      let without = Placements.order(Ring(others.map { members[$0] }), key)
      #expect(without.map { others[$0] } == Array(order.dropFirst()))
    }
  }

  @Test("an endpoint that is given twice has two shares")
  func twice() {
    let members = Placements.members(3) + Placements.members(1)
    let shares = Placements.shares(Placements.homes(Ring(members), Array(Self.million.prefix(50_000))), members)
    #expect(shares.allSatisfy { (0.75...1.25).contains($0) }, "\(shares)")
  }

  @Test("heavy endpoints have a bounded number of points, their shares, and move no more than others")
  func heavy() {
    let keys = Array(Self.million.prefix(50_000))
    let members = Placements.members(5) { $0 % 2 == 0 ? 1000 : 500 }
    let ring = Ring(members)
    #expect(ring.pointCount <= 5 * 2400)
    let homes = Placements.homes(ring, keys)
    #expect(Placements.shares(homes, members).allSatisfy { (0.9...1.1).contains($0) })
    let after = Placements.homes(Ring(members.dropLast()), keys)
    #expect(zip(homes, after).allSatisfy { $0 == 4 || $1 == $0 })
    #expect(Ring(Placements.members(1024) { _ in 1000 }, virtualNodes: 10_000).pointCount <= 1 << 20)
  }

  @Test("each unit of weight is as many points as are asked for, and the lightest has one")
  func points() {
    #expect(Ring(Placements.members(3) { $0 + 1 }).pointCount == 6 * 150)
    #expect(Ring(Placements.members(3), virtualNodes: 10_000).pointCount == 30_000)
    #expect(Ring(Placements.members(2) { $0 == 0 ? 1 : 1000 }, virtualNodes: 1).pointCount == 1001)
    let light = Ring(Placements.members(2) { $0 == 0 ? 1 : 1000 }, virtualNodes: 10)
    #expect(light.pointCount > 1200 && Self.million.prefix(100).allSatisfy { Placements.order(light, $0).count == 2 })
  }

  @Test("one endpoint has every key, none has none, and of too many the first are there")
  func edges() {
    #expect(Ring([]).member(of: Self.million[0]) == nil)
    #expect(Placements.order(Ring([]), Self.million[0]).isEmpty)
    let one = Ring([Ring.Member(identity: [], weight: -4)], virtualNodes: 0)
    #expect(Self.million.prefix(100).allSatisfy { one.member(of: $0) == 0 } && one.weight(of: 0) == 1)
    #expect(Ring(Placements.members(1100), virtualNodes: 1).memberCount == Ring.mostMembers)
  }
}
