import Demonstration
import MCP
import Reactor
import Wire

/// The demonstration server inside this process, as the gateway knows its upstreams.
enum EmbeddedServer {
  static func offer(alias: String) -> ServerOffer {
    var offer = ServerOffer(alias: alias, capabilities: DemonstrationServer.capabilities)
    var instructions = ByteBuffer()
    instructions.append(quoted: DemonstrationServer.instructions.bytes)
    offer.instructions = instructions.bytes.array
    return offer
  }
}

/// Calls of the demonstration server. What it says is received as an upstream's messages are, and the host keeps time
/// for it.
extension Worker {
  /// A request, as the gateway has rewritten it. The answer may be delivered before this returns.
  func sendEmbedded(_ id: ExchangeID, _ message: RawSpan) {
    let exchange = exchanges[id]
    let revision = exchange.serverRevision
    exchange.carrier = .embedded
    exchange.opened = UpstreamSession.Open(revision: revision, httpSession: [], link: nil)
    let client = DemonstrationServer.Client(revision: revision, abilities: exchange.session?.abilities ?? [])
    let steps = demonstration.receive(message, from: client, now: Timestamp(milliseconds: System.wallClock))
    // From here on `message` may be overwritten: it lies in scratch that the delivery of an answer uses too.
    perform(steps, of: id)
  }

  /// A client's answer to a question of its, or the gateway's refusal to ask.
  func answerEmbedded(_ message: RawSpan) {
    guard let (call, steps) = demonstration.answered(message) else { return }
    perform(steps, of: ExchangeID(rawValue: call))
  }

  private func perform(_ steps: [DemonstrationServer.Step], of id: ExchangeID) {
    for step in steps {
      guard exchanges.contains(id) else { return }
      switch step {
      case .send(let message):
        receive(id, message.rawBytes)
      case .resume(let delay):
        // The call may be over by then, and the server knows nothing of it any more.
        after(milliseconds: delay) { [unowned self] in perform(demonstration.resumed(id.rawValue), of: id) }
      }
    }
  }
}
