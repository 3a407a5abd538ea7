import Clusters
import MCP
import UpstreamRequests
import Wire
import Workers

/// Calls that wait for a server that starts or has just gone away, instead of failing: they are routed once more as soon as
/// it can be called, is not expected to be soon, or their time to get through (`pool.checkout_timeout`) is up.
public final class ReturnWaits {
  private let context: CallsContext
  private let open: OpenCalls

  public init(_ context: CallsContext, _ open: OpenCalls) {
    self.context = context
    self.open = open
  }

  /// Keeps a call. False if it has waited for as long as it may.
  public func hold(_ call: Call, for cluster: Cluster, _ envelope: Envelope) -> Bool {
    let now = context.now
    if call.waitsUntil == 0 {
      call.waitsUntil = min(call.deadline, now + cluster.checkoutTimeout)
    }
    guard call.waitsUntil > now, let servers = context.shared.delegate else { return false }
    let message = envelope.message.array
    let party = context.party(of: call)
    let (memory, home) = (context.worker.memory, context.index)
    if let party, let refusal = memory.take(message.count, for: party, on: home) {
      open.fail(call, refusal)
      return true
    }
    let id = call.id
    let done = context.later.once(within: call.waitsUntil - now) { [unowned context] in
      if let party { memory.giveBack(message.count, of: party, on: home) }
      context.send(.again(id, message), to: home)
    }
    servers.awaitReturn(of: cluster, done)
    return true
  }
}
