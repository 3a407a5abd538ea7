import MCP
import Reactor
import Wire

/// What is kept of a call while its answer comes: the request, which may have to go out once more, and the answer, as
/// far as it can't go through. An upstream may take its time with it, so it counts among what is kept for the client or
/// for the upstream if the call is the gateway's own.
extension Worker {
  /// Keeps the request of a call with its reader; where too much is kept for its client already, it goes out once only.
  func keep(_ message: RawSpan, of exchange: Exchange, in reader: ResponseReader) {
    reader.keep(message)
    if reader.isUncovered, cover(reader, of: exchange) != nil { reader.forgetRequest() }
  }

  /// Keeps a piece of an answer. False, and the call has failed, where it can't be had.
  func collect(_ piece: RawSpan, of id: ExchangeID, in reader: ResponseReader, _ connection: ConnectionID) -> Bool {
    reader.collected.buffer.append(piece)
    guard reader.isUncovered else { return true }
    if cover(reader, of: exchanges[id]) == nil { return true }
    // The request is worth less than the answer.
    reader.forgetRequest()
    guard reader.isUncovered, let error = cover(reader, of: exchanges[id]) else { return true }
    loop.abort(connection)
    fail(id, error)
    return false
  }

  /// Counts what a reader keeps, and some more, so that it grows in few steps. Why not, if it is too much.
  private func cover(_ reader: ResponseReader, of exchange: Exchange) -> GatewayError? {
    guard let party = reader.cover.party ?? party(of: exchange) ?? exchange.cluster.map({ .upstream($0.number) }) else {
      return nil
    }
    let most = settings.holdings.each
    guard reader.size <= most else {
      // It never fits: nobody is to try again.
      return exchange.cluster.map { .tooLarge($0, limit: most) } ?? .overloaded
    }
    let wanted = max(reader.size, min(2 * reader.size, 1 << 20, most))
    if let error = takeMore(wanted - reader.cover.bytes, for: party, on: index) { return error }
    reader.cover = ResponseReader.Cover(party: party, bytes: wanted)
    return nil
  }

  /// Gives back what counts of a reader that is let go, or has passed on what it kept.
  func uncover(_ reader: ResponseReader) {
    guard reader.cover.bytes > 0, let party = reader.cover.party else { return }
    giveBack(reader.cover.bytes, of: party, on: index)
    reader.cover = ResponseReader.Cover()
  }

  /// Memory is short: calls that are under way go out once, and nothing is kept for the next ones.
  func giveUpRequests() {
    readers = []
    for id in exchanges.ids(where: { $0.reader?.cover.party != nil }) {
      guard let reader = exchanges[id].reader else { continue }
      reader.forgetRequest()
      uncover(reader)
      if reader.isUncovered { _ = cover(reader, of: exchanges[id]) }
    }
  }
}
