import Clusters
import Delivery
import MCP
import OpenCalls
import Routing
import Sessions
import Wire

/// What becomes of a client that subscribes to a resource, or does not want to be any more.
final class SubscribeMethods {
  private let context: CallsContext
  private let open: OpenCalls
  private let subscriptions: Subscriptions

  init(_ context: CallsContext, _ open: OpenCalls, _ subscriptions: Subscriptions) {
    self.context = context
    self.open = open
    self.subscriptions = subscriptions
  }

  /// Keeps account of who subscribed to what. False if the upstream is not to be told by this request, which is then
  /// answered here: a modern one is told on the gateway's own listen, and a legacy one hears of the last to go alone.
  func isForUpstream(
    _ call: Call, _ method: Method, _ cluster: Cluster, _ route: Route, _ routes: Routes, _ text: RawSpan
  ) -> Bool {
    guard let session = call.session, !cluster.isEmbedded, let profile = cluster.profile else { return true }
    let interest = ResourceInterest(text, route, routes)
    let isModern = profile.revision.era == .modern
    let subscribes = method == .resourcesSubscribe
    if isModern, !profile.offer.capabilities.contains(.resourcesSubscribe) {
      open.fail(call, GatewayError(.serverNotCapable, server: cluster.alias))
      return false
    }
    let subscription = subscribes ? Subscription(interest: interest, isCounted: isModern) : nil
    if let refusal = subscriptions.account(for: subscription, named: text, in: session, call) {
      open.fail(call, refusal)
      return false
    }
    guard isModern else {
      let binding = context.conversation(for: call, cluster)
      if subscribes {
        binding.subscribe(interest.uri, session.id, isMarked: route.rename != .keep)
        return true
      }
      if binding.unsubscribe(interest.uri, session.id), !context.sessions.isWanted(interest, in: binding) {
        return true
      }
      open.answer(call, result: ("{}" as StaticString).bytes)
      return false
    }
    let id = call.id
    context.delivery.interests.tell(of: [interest]) { [unowned self] in
      guard let call = open.find(id) else { return }
      if subscribes, context.sessions.interests.isRefused(interest) {
        return open.fail(call, .refused(cluster, "it does not tell of changes of this resource"))
      }
      call.subscribing = []
      open.answer(call, result: ("{}" as StaticString).bytes)
    }
    return false
  }
}
