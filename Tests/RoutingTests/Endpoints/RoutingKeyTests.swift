import Routing
import Testing
import Wire

/// What calls of the same session, principal or argument have in common.
@Suite struct RoutingKeyTests {
  @Test("the same bytes give the same key in every process and every version")
  func pinned() {
    #expect(RoutingKey(Array("".utf8).rawBytes).value == 10_521_761_451_762_286_385)
    #expect(RoutingKey(Array("alice@example.com".utf8).rawBytes).value == 14_448_896_585_477_970_972)
    #expect(RoutingKey(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210).value == 12_787_097_226_240_461_412)
  }

  @Test("each half of a session's id counts, and so does which is which")
  func halves() {
    let keys: Set = [
      RoutingKey(high: 1, low: 2), RoutingKey(high: 2, low: 1), RoutingKey(high: 1, low: 1),
      RoutingKey(high: 2, low: 2),
    ]
    #expect(keys.count == 4)
  }
}
