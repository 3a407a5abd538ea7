import Wire

/// A message as the upstream shall get it, while it waits for a conversation to open. It may be as large as a body, and an
/// upstream may take its time, so it counts among what is kept for its client.
struct ParkedMessage {
  fileprivate let bytes: [UInt8]
  /// For whom it counts; nil for what the gateway says by itself.
  fileprivate let party: Party?
}

extension Worker {
  /// Keeps a call's message until `unpark` or the end of the call. False, and the call is answered, where as much is kept
  /// for its client as one may have.
  func park(_ exchange: Exchange, _ message: RawSpan) -> Bool {
    let party = party(of: exchange)
    if let party, let error = take(message.byteCount, for: party, on: index) {
      fail(exchange.id, error)
      return false
    }
    exchange.parked = ParkedMessage(bytes: message.array, party: party)
    return true
  }

  /// Takes the message of a call out again; nil if none waits.
  func unpark(_ exchange: Exchange) -> [UInt8]? {
    guard let parked = exchange.parked else { return nil }
    exchange.parked = nil
    if let party = parked.party { giveBack(parked.bytes.count, of: party, on: index) }
    return parked.bytes
  }

  /// The client whose call it is; nil for the gateway's own.
  func party(of exchange: Exchange) -> Party? {
    if let session = exchange.session { return session.party }
    return switch exchange.origin {
    case .post(let connection): party(of: connection)
    case .socket(let reply): party(of: reply.connection)
    case .notice(let sender): sender.party
    default: nil
    }
  }
}
