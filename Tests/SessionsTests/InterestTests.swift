import Catalogue
import MCP
import Routing
import Testing
import Wire

@testable import Delivery
@testable import Sessions
@testable import Workers

/// Who hears of which resource, and under which name (MCP 2026-07-28, Subscriptions).
@Suite struct InterestTests {
  private func update(_ uri: String, upstream: Int = 0, _ claim: ResourceClaim = .nobodys) -> ResourceUpdate {
    let message = #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"x":1.10,"uri":"\#(uri)"}}"#
    return ResourceUpdate(
      upstream: upstream, alias: "own", revision: .r20260728, uri: Array(uri.utf8), claim: claim,
      message: Array(message.utf8))
  }

  private func interest(_ uri: String, of upstream: Int = 0) -> ResourceInterest {
    ResourceInterest(upstream: upstream, uri: Array(uri.utf8))
  }

  /// Under which names those hear of a change who named resources of upstream 0; each is one of `named`, name by URI.
  private func names(
    _ uri: String, among named: [String: String], upstream: Int = 0, _ claim: ResourceClaim = .nobodys,
    seeing view: CatalogueView = .all
  ) -> [String] {
    var audience = Audience<String>()
    for (name, own) in named { audience.add(name, interest(own), as: Array(name.utf8)) }
    var told: [String] = []
    let update = update(uri, upstream: upstream, claim)
    var hearers = update.hearers(among: audience.groups(of: upstream, Array(uri.utf8)))
    // However many are told at a time.
    var count = 0
    repeat {
      count = hearers.forNext(2) { _, named, below in
        guard let name = update.name(for: named, below: below, seeing: view) else { return }
        told.append(String(decoding: name, as: UTF8.self))
      }
    } while count == 2
    return told.sorted()
  }

  @Test("a change is told under the name by which it was asked for")
  func naming() {
    #expect(names("a://x", among: ["a://x": "a://x"]) == ["a://x"])
    #expect(names("a://x", among: ["a://x?sluice-server=own": "a://x"]) == ["a://x?sluice-server=own"])
    #expect(names("a://x", among: ["a://y": "a://y"]) == [])
    #expect(names("a://x", among: ["a://x": "a://x"], upstream: 1) == [])
  }

  @Test("a change below what was asked for is told, marked as its parent is")
  func subResources() {
    #expect(names("a://x/y", among: ["a://x": "a://x"]) == ["a://x/y"])
    #expect(names("a://x/y", among: ["a://x/": "a://x/"]) == ["a://x/y"])
    #expect(names("a://x/y/z", among: ["a://x": "a://x", "a://x/y": "a://x/y"]) == ["a://x/y/z", "a://x/y/z"])
    #expect(names("a://x/y", among: ["a://x?sluice-server=own": "a://x"]) == ["a://x/y?sluice-server=own"])
    #expect(names("a://xy", among: ["a://x": "a://x"]) == [])
    #expect(names("a://x", among: ["a://x/": "a://x/"]) == [])
  }

  @Test("a change below what was asked for is not told as one of another server's resource")
  func anothers() {
    let below = ["a://x": "a://x"]
    #expect(names("a://x/y", among: below, .anothers) == [])
    #expect(names("a://x/y", among: below, .own(exposed: Array("marked".utf8))) == ["marked"])
    // What bears the mark of its server is told apart, and so is what was named itself.
    #expect(names("a://x/y", among: ["a://x?sluice-server=own": "a://x"], .anothers) == ["a://x/y?sluice-server=own"])
    #expect(names("a://x/y", among: ["a://x/y": "a://x/y"], .anothers) == ["a://x/y"])
    // Who sees no other server takes nothing for another's.
    #expect(names("a://x/y", among: below, .anothers, seeing: .only(upstream: 0)) == ["a://x/y"])
  }

  @Test("whoever named several resources that a change concerns is told once, by the nearest name", arguments: [0, 40])
  func once(others: Int) {
    var audience = Audience<Int>()
    // With many groups they are looked up by name, with few all are looked at.
    for number in 0..<others { audience.add(number + 10, interest("b://\(number)"), as: [1]) }
    audience.add(1, interest("a://x"), as: Array("a://x".utf8))
    audience.add(1, interest("a://x/y"), as: Array("marked".utf8))
    audience.add(2, interest("a://x/"), as: Array("a://x/".utf8))
    audience.add(3, interest("a://x/y/z"), as: Array("a://x/y/z".utf8))
    var told: [Int: String] = [:]
    let update = update("a://x/y")
    var hearers = update.hearers(among: audience.groups(of: 0, Array("a://x/y".utf8)))
    _ = hearers.forNext(.max) { member, named, below in
      let name = update.name(for: named, below: below, seeing: .all) ?? []
      #expect(told[member] == nil)
      told[member] = String(decoding: name, as: UTF8.self)
    }
    #expect(told == [1: "marked", 2: "a://x/y"])
    audience.remove(1, interest("a://x/y"))
    #expect(audience.groups(of: 0, Array("a://x/y".utf8)).flatMap { $0.members.map(\.member) }.sorted() == [1, 2])
  }

  @Test("an audience is told in the order in which it came, whoever has left meanwhile")
  func order() {
    var audience = Audience<Int>()
    for member in 0..<100 { audience.add(member, interest("a://x"), as: [UInt8(member)]) }
    for member in 0..<100 where member % 3 != 0 { audience.remove(member, interest("a://x")) }
    for member in [3, 1, 200] { audience.add(member, interest("a://x"), as: [7]) }
    let members = audience.groups(of: 0, Array("a://x".utf8))[0].members
    #expect(members.map(\.member) == stride(from: 0, to: 100, by: 3) + [1, 200])
    #expect(members.first { $0.member == 3 }?.name == [7])
    #expect(members[99] == [99])
    #expect(members[98] == nil)
    for member in members.map(\.member) { audience.remove(member, interest("a://x")) }
    #expect(audience.groups(of: 0, Array("a://x".utf8)).isEmpty)
  }

  @Test("what a client's own conversation brings is not told a second time")
  func uncounted() {
    let (interests, session) = (Interests(), SessionID(worker: 0))
    let own = Subscription(interest: interest("a://x"), isCounted: false)
    interests.replace(nil, by: own, named: [1], of: session, among: [[1]: own])
    #expect(interests.sessions(hearing: 0, own.interest.uri).isEmpty)
    #expect(interests.wanted(of: 0).isEmpty)
  }

  @Test("a session that knows a resource by two names hears of it until it has given up both")
  func twoNames() {
    let (interests, session) = (Interests(), SessionID(worker: 0))
    let subscription = Subscription(interest: interest("a://x"))
    var all: [[UInt8]: Subscription] = [:]
    func set(_ name: [UInt8], _ new: Subscription?) {
      let before = all[name]
      all[name] = new
      interests.replace(before, by: new, named: name, of: session, among: all)
    }
    func heardAs() -> [UInt8]? { interests.sessions(hearing: 0, subscription.interest.uri).first?.members[session] }
    set([1], subscription)
    set([2], subscription)
    set([2], subscription)
    set([2], nil)
    #expect(heardAs() == [1])
    #expect(interests.wanted(of: 0) == [subscription.interest.uri])
    set([1], nil)
    #expect(heardAs() == nil)
    #expect(interests.wanted(of: 0).isEmpty)
  }

  @Test("a listen's notification is written once, but for the id", arguments: ["7", #""a longer one""#])
  func listenNotification(id: String) throws {
    let notification = try #require(ListenNotification(update("a://x"), named: Array("a://x".utf8)))
    var message = ByteBuffer()
    notification.append(Array(id.utf8).rawBytes, to: &message)
    var whole = ByteBuffer()
    #expect(
      update("a://x").append(
        to: &whole, named: Array("a://x".utf8), client: .newest, subscriptionID: Array(id.utf8).rawBytes))
    #expect(message.bytes.text == whole.bytes.text)
  }

  @Test("the notification keeps what it holds, and bears the id of the listen alone")
  func messages() {
    var listened = ByteBuffer()
    let id = Array(#""l""#.utf8)
    #expect(
      update("a://x").append(
        to: &listened, named: Array("a://z".utf8), client: .r20260728, subscriptionID: id.rawBytes))
    #expect(
      listened.bytes.text
        == #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"#
        + #""io.modelcontextprotocol/subscriptionId":"l"},"x":1.10,"uri":"a://z"}}"#)
    var unsolicited = ByteBuffer()
    #expect(update("a://x").append(to: &unsolicited, named: Array("a://x".utf8), client: .r20251125))
    #expect(
      unsolicited.bytes.text
        == #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"x":1.10,"uri":"a://x"}}"#)
  }

  @Test("an upstream is asked for a resource as long as somebody wants to hear of it")
  func counts() {
    let interests = Interests()
    let (a, b) = (ResourceInterest(upstream: 0, uri: [1]), ResourceInterest(upstream: 0, uri: [2]))
    interests.add([a, b, ResourceInterest(upstream: 1, uri: [3])])
    interests.add([a])
    interests.remove([a, b, b])
    #expect(interests.wanted(of: 0) == [[1]])
    #expect(interests.wanted(of: 1) == [[3]])
    interests.remove([a])
    #expect(interests.wanted(of: 0).isEmpty)
  }

  @Test("who follows an upstream hears of what has changed, and of nothing that came and went meanwhile")
  func following() {
    let interests = Interests()
    func interest(_ byte: UInt8) -> ResourceInterest { ResourceInterest(upstream: 0, uri: [byte]) }
    func changes(_ follower: Int) -> [[[UInt8]]] {
      let changes = interests.takeChanges(of: 0, as: follower)
      return [changes.wanted.sorted { $0[0] < $1[0] }, changes.unwanted.sorted { $0[0] < $1[0] }]
    }
    interests.add([interest(1), interest(2)])
    #expect(interests.follow(0, as: 7).wanted.count == 2)
    #expect(changes(7) == [[], []])
    interests.add([interest(1), interest(3), interest(4)])
    interests.remove([interest(4), interest(2)])
    #expect(interests.follow(0, as: 8).wanted.count == 2)
    #expect(changes(7) == [[[3]], [[2]]])
    #expect(changes(8) == [[], []], "it came later")
    interests.remove([interest(1)])
    #expect(changes(7) == [[], []], "somebody else still wants it")
    interests.remove([interest(1)])
    interests.add([interest(1)])
    #expect(changes(7) == [[], []])
    interests.unfollow(0, as: 7)
    interests.add([interest(5)])
    #expect(changes(7) == [[], []])
    #expect(changes(8) == [[[5]], []])
  }

  @Test("what an upstream refuses is known as long as somebody wants it")
  func refusals() {
    let interests = Interests()
    let (a, b) = (ResourceInterest(upstream: 0, uri: [1]), ResourceInterest(upstream: 0, uri: [2]))
    interests.add([a, b])
    interests.refuse(0, [[1], [9]])
    #expect(interests.isRefused(a) && !interests.isRefused(b))
    let subscriptions = [[7]: Subscription(interest: a), [8]: Subscription(interest: b)] as [[UInt8]: Subscription]
    #expect(Array(interests.refused(among: subscriptions).keys) == [[7]])
    interests.remove([a])
    interests.add([a])
    #expect(!interests.isRefused(a))
  }

  @Test("what others must have done first fires once, with the last of them or when the time is up")
  func gatherings() {
    let complete = Gathering(2)
    #expect(!complete.arrive())
    #expect(complete.arrive())
    #expect(!complete.arrive())
    #expect(!complete.expire())
    let late = Gathering(2)
    #expect(!late.arrive())
    #expect(late.expire())
    #expect(!late.arrive())
    #expect(!late.expire())
  }
}
