import MCP
import Wire

/// Tickets that were verified lately. A client sends the same one with each request, and what a text says never changes, so
/// it is decoded and its MAC made only where it is not at hand. Compared in constant time, as the MAC would be.
struct TicketCache {
  private struct Place {
    var text = InlineArray<74, UInt8>(repeating: 0)
    var ticket: SessionTicket
  }

  /// By bits of the text that are random.
  private var places: [Place?] = Array(repeating: nil, count: 128)

  /// The ticket that a client has sent; nil for what is none.
  mutating func open(_ text: RawSpan, _ keys: SessionKeys) -> SessionTicket? {
    guard text.byteCount == SessionTicket.textLength else { return nil }
    let letters: UInt64 = text.number(at: 8)
    let index = Int(truncatingIfNeeded: (letters ^ letters >> 11) & 127)
    if let known = places[index], known.text.rawBytes.equalsInConstantTime(text) { return known.ticket }
    guard let ticket = keys.open(text) else { return nil }
    var place = Place(ticket: ticket)
    for index in 0..<text.byteCount { place.text[index] = text[byte: index] }
    places[index] = place
    return ticket
  }
}
