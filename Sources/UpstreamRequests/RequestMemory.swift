import Clusters
import MCP
import Reactor
import Upstream
import Wire
import Workers

/// What is kept of a request: its message, as long as it waits or may have to go out once more, and the answer, as far as it
/// can't go through. An upstream may take its time with it, so it counts among what is kept for the client, or for the
/// upstream if the request is the gateway's own.
public final class RequestMemory {
  private let context: WorkerContext
  private unowned(unsafe) var listener: (any UpstreamDelegate)?
  private var delegate: any UpstreamDelegate { unsafe listener! }

  init(_ context: WorkerContext) { self.context = context }

  /// Before anything is kept.
  func connect(to delegate: any UpstreamDelegate) { unsafe listener = delegate }

  // MARK: Before it goes out

  /// Keeps a request's message until `unpark` or its end. Why not, where as much is kept for its client as one may have.
  func park(_ request: UpstreamRequest, _ message: RawSpan) -> GatewayError? {
    let party = party(of: request)
    if let party, let error = context.memory.take(message.byteCount, for: party, on: context.index) { return error }
    request.parked = ParkedMessage(bytes: message.array, party: party)
    return nil
  }

  /// Takes the message of a request out again; nil if none waits.
  public func unpark(_ request: UpstreamRequest) -> [UInt8]? {
    guard let parked = request.parked else { return nil }
    request.parked = nil
    if let party = parked.party { context.memory.giveBack(parked.bytes.count, of: party, on: context.index) }
    return parked.bytes
  }

  /// Keeps what a request sends, as it goes out, until `release` or its end. Why not, where as much is kept for its client as
  /// one may have.
  /// - Parameter place: where it waits for a connection.
  func hold(_ head: RawSpan, _ message: RawSpan, of request: UpstreamRequest, at place: PoolPlace) -> GatewayError? {
    let party = party(of: request)
    let count = head.byteCount + message.byteCount
    if let party, let error = context.memory.take(count, for: party, on: context.index) { return error }
    request.waiting = WaitingMessage(head, message, for: party, at: place)
    return nil
  }

  /// Takes what a request sends out again; nil if it does not wait for a connection.
  func release(_ request: UpstreamRequest) -> WaitingMessage? {
    guard let waiting = request.waiting else { return nil }
    request.waiting = nil
    if let party = waiting.party { context.memory.giveBack(waiting.count, of: party, on: context.index) }
    return waiting
  }

  /// The client for whom it counts; nil for the gateway's own.
  private func party(of request: UpstreamRequest) -> Party? {
    request.isClients ? delegate.party(of: request) : request.party
  }

  // MARK: While it is answered

  /// Keeps the message of a request with its reader; where too much is kept for its client already, it goes out once only.
  public func keep(_ message: RawSpan, of request: UpstreamRequest, in reader: ResponseReader) {
    reader.keep(message)
    if reader.isUncovered, cover(reader, of: request) != nil { reader.forgetRequest() }
  }

  /// Keeps a piece of an answer. Why not, where it can't be had.
  public func collect(_ piece: RawSpan, of request: UpstreamRequest, in reader: ResponseReader) -> GatewayError? {
    reader.collected.buffer.append(piece)
    guard reader.isUncovered else { return nil }
    if cover(reader, of: request) == nil { return nil }
    // The request is worth less than the answer.
    reader.forgetRequest()
    return reader.isUncovered ? cover(reader, of: request) : nil
  }

  /// Counts what a reader keeps, and some more, so that it grows in few steps. Why not, if it is too much.
  private func cover(_ reader: ResponseReader, of request: UpstreamRequest) -> GatewayError? {
    let own = request.cluster.map { Party.upstream($0.number) }
    guard let party = reader.cover.party ?? party(of: request) ?? own else { return nil }
    let most = context.settings.holdings.each
    guard reader.size <= most else {
      // It never fits: nobody is to try again.
      return request.cluster.map { .tooLarge($0, limit: most) } ?? .overloaded
    }
    let wanted = max(reader.size, min(2 * reader.size, 1 << 20, most))
    if let error = context.memory.takeMore(wanted - reader.cover.bytes, for: party, on: context.index) { return error }
    reader.cover = ResponseReader.Cover(party: party, bytes: wanted)
    return nil
  }

  /// Gives back what counts of a reader that is let go, or has passed on what it kept.
  public func uncover(_ reader: ResponseReader) {
    guard reader.cover.bytes > 0, let party = reader.cover.party else { return }
    context.memory.giveBack(reader.cover.bytes, of: party, on: context.index)
    reader.cover = ResponseReader.Cover()
  }

  /// Memory is short: a request that is under way goes out once, and what else its reader keeps counts anew.
  func giveUpMessage(of request: UpstreamRequest) {
    guard let reader = request.reader, reader.cover.party != nil else { return }
    reader.forgetRequest()
    uncover(reader)
    if reader.isUncovered { _ = cover(reader, of: request) }
  }
}
