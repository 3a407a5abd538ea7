import MCP
import Testing
import Wire

@testable import Gateway

@Suite("Tickets that were verified lately")
struct TicketCacheTests {
  private let keys = SessionKeys.ofThisProcess()

  private func text(_ low: UInt64) -> [UInt8] {
    var text = ByteBuffer()
    SessionTicket(
      SessionID(high: low &* 0x9E37_79B9_7F4A_7C15, low: low, worker: 0), minute: 7, .r20251125, [], path: 1,
      principal: 2
    ).append(to: &text, key: keys.signing)
    return text.bytes.array
  }

  @Test("are what their texts say, however many there are and however often they come")
  func many() {
    var cache = TicketCache()
    for _ in 0..<3 {
      for low in UInt64(0)..<500 {
        for _ in 0..<2 {
          let ticket = cache.open(text(low).rawBytes, keys)
          #expect(ticket?.id.low == low && ticket?.minute == 7)
        }
      }
    }
  }

  @Test("are not taken for others that differ in a letter")
  func altered() {
    var cache = TicketCache()
    let good = text(1)
    for index in good.indices {
      let known = cache.open(good.rawBytes, keys)
      #expect(known != nil)
      var altered = good
      altered[index] = altered[index] == 0x41 ? 0x42 : 0x41
      let other = cache.open(altered.rawBytes, keys)
      #expect(other == nil)
    }
    let cut = cache.open(Array(good.dropLast()).rawBytes, keys)
    #expect(cut == nil)
  }
}
