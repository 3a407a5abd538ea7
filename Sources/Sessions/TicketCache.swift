import MCP
import Wire

/// Tickets that were verified lately. A client sends the same one with each request, and what a text says never changes, so
/// it is decoded and its MAC made only where it is not at hand. Compared in constant time, as the MAC would be. Beside a
/// ticket stands the session that it names, so that nobody asks the table of all loops for it.
public final class TicketCache {
  private struct Place {
    var text = InlineArray<74, UInt8>(repeating: 0)
    var ticket: SessionTicket
  }

  private let keys: SessionKeys
  private let table: SessionTable

  /// By bits of the text that are random.
  private var places: [Place?] = Array(repeating: nil, count: TicketCache.size)
  private var sessions: [Session?] = Array(repeating: nil, count: TicketCache.size)
  private static let size = 128

  public init(_ keys: SessionKeys, _ table: SessionTable) {
    self.keys = keys
    self.table = table
  }

  /// The ticket that a client has sent; nil for what is none.
  public func open(_ text: RawSpan) -> SessionTicket? {
    guard let index = place(of: text) else { return nil }
    return places[index]?.ticket
  }

  /// The session that the ticket names which a client has sent, if it is in the table, and when it was opened; nil for what
  /// is no ticket.
  public func find(_ text: RawSpan) -> (session: Session?, minute: UInt32)? {
    guard let index = place(of: text), let minute = places[index]?.ticket.minute else { return nil }
    if let known = sessions[index], !known.isGone { return (known, minute) }
    let found = places[index].flatMap { table.find($0.ticket.id) }
    sessions[index] = found
    return (found, minute)
  }

  /// Lets go of sessions that have ended: they may have kept much.
  public func forgetEnded() {
    for index in sessions.indices where sessions[index]?.isGone == true { sessions[index] = nil }
  }

  private func place(of text: RawSpan) -> Int? {
    guard text.byteCount == SessionTicket.textLength else { return nil }
    let letters: UInt64 = text.number(at: 8)
    let index = Int(truncatingIfNeeded: letters ^ letters >> 11) & (Self.size - 1)
    if places[index]?.text.rawBytes.equalsInConstantTime(text) == true { return index }
    guard let ticket = keys.open(text) else { return nil }
    var place = Place(ticket: ticket)
    for index in 0..<text.byteCount { place.text[index] = text[byte: index] }
    places[index] = place
    sessions[index] = nil
    return index
  }
}
