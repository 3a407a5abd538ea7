import Catalogue
import MCP
import Testing
import Wire

@testable import Sessions
@testable import Workers

@Suite("Tickets that were verified lately")
struct TicketCacheTests {
  private let keys = SessionKeys.ofThisProcess()

  private let table = SessionTable(SessionCensus.Bounds(all: 10, each: 10), workers: 1)

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
    let cache = TicketCache(keys, table)
    for _ in 0..<3 {
      for low in UInt64(0)..<500 {
        for _ in 0..<2 {
          let ticket = cache.open(text(low).rawBytes)
          #expect(ticket?.id.low == low && ticket?.minute == 7)
        }
      }
    }
  }

  @Test("are not taken for others that differ in a letter")
  func altered() {
    let cache = TicketCache(keys, table)
    let good = text(1)
    for index in good.indices {
      let known = cache.open(good.rawBytes)
      #expect(known != nil)
      var altered = good
      altered[index] = altered[index] == 0x41 ? 0x42 : 0x41
      let other = cache.open(altered.rawBytes)
      #expect(other == nil)
    }
    let cut = cache.open(Array(good.dropLast()).rawBytes)
    #expect(cut == nil)
  }

  @Test("name the session that is in the table, and none that has left it")
  func sessions() {
    let cache = TicketCache(keys, table)
    let text = text(1)
    #expect(cache.find(text.rawBytes)?.minute == 7 && cache.find(text.rawBytes)?.session == nil)
    let id = SessionID(high: 0x9E37_79B9_7F4A_7C15, low: 1, worker: 0)
    for _ in 0..<2 {
      let session = Session(
        id: id, party: .principal(.anonymous), view: .all, handshake: Session.Handshake(.r20251125), replay: 0,
        resumeWindow: 0, now: 0)
      #expect(table.insert(session, now: 0) == .admitted)
      for _ in 0..<2 { #expect(cache.find(text.rawBytes)?.session === session) }
      _ = table.remove(id)
      #expect(cache.find(text.rawBytes)?.session == nil)
    }
  }

  @Test("keep no session alive that has ended")
  func memory() {
    let cache = TicketCache(keys, table)
    let text = text(1)
    weak var known: Session?
    do {
      let session = Session(
        id: SessionID(high: 0x9E37_79B9_7F4A_7C15, low: 1, worker: 0), party: .principal(.anonymous), view: .all,
        handshake: Session.Handshake(.r20251125), replay: 0, resumeWindow: 0, now: 0)
      _ = table.insert(session, now: 0)
      #expect(cache.find(text.rawBytes)?.session === session)
      _ = table.remove(session.id)
      known = session
    }
    cache.forgetEnded()
    #expect(known == nil)
  }
}
