import MCP
import Routing
import Testing
import Wire

@testable import Gateway

/// Who hears of which resource, and under which name (PROTOCOL sections 13 and 21.2).
@Suite struct InterestTests {
  private func update(_ uri: String, upstream: Int = 0) -> ResourceUpdate {
    let message = #"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"x":1.10,"uri":"\#(uri)"}}"#
    return ResourceUpdate(
      upstream: upstream, alias: "own", revision: .r20260728, uri: Array(uri.utf8), message: Array(message.utf8))
  }

  private func subscriptions(_ named: [String: String], counted: Bool = true) -> [[UInt8]: Subscription] {
    named.reduce(into: [:]) { found, entry in
      let interest = ResourceInterest(upstream: 0, uri: Array(entry.value.utf8))
      found[Array(entry.key.utf8)] = Subscription(interest: interest, isCounted: counted)
    }
  }

  private func name(_ uri: String, among named: [String: String], upstream: Int = 0) -> String? {
    let found = update(uri, upstream: upstream).name(among: subscriptions(named))
    return found.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("a change is told under the name by which it was asked for")
  func names() {
    #expect(name("a://x", among: ["a://x": "a://x"]) == "a://x")
    #expect(name("a://x", among: ["a://x?sluice-server=own": "a://x"]) == "a://x?sluice-server=own")
    #expect(name("a://x", among: ["a://y": "a://y"]) == nil)
    #expect(name("a://x", among: ["a://x": "a://x"], upstream: 1) == nil)
  }

  @Test("a change below what was asked for is told, marked as its parent is")
  func subResources() {
    #expect(name("a://x/y", among: ["a://x": "a://x"]) == "a://x/y")
    #expect(name("a://x/y", among: ["a://x?sluice-server=own": "a://x"]) == "a://x/y?sluice-server=own")
    #expect(name("a://xy", among: ["a://x": "a://x"]) == nil)
    #expect(name("a://x/y", among: ["a://x": "a://x", "a://x/y": "a://x/y"]) == "a://x/y")
  }

  @Test("what a client's own conversation brings is not told a second time")
  func uncounted() {
    #expect(update("a://x").name(among: subscriptions(["a://x": "a://x"], counted: false)) == nil)
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
