import Clusters
import Links
import MCP
import Reactor
import SessionStore
import Sessions
import UpstreamClient
import Wire
import Workers

/// How sessions end, on one worker's part, and what goes with them.
public final class SessionEnds {
  private let context: DeliveryContext
  private let sessions: SessionsShared
  private let upstream: UpstreamClient
  private let interests: InterestNotices

  init(_ context: DeliveryContext, _ upstream: UpstreamClient, _ interests: InterestNotices) {
    self.context = context
    sessions = context.sessions
    self.upstream = upstream
    self.interests = interests
  }

  /// A call of a session, or a question to its client, begins on this worker: it ends with the session.
  @inline(__always)
  public func begins(in session: Session) {
    if !session.enter(context.index) { context.send(.abandonCalls(of: session), to: context.index) }
  }

  /// Ends a session: its calls, its streams, and the upstream conversations that were its alone.
  public func end(_ session: Session) {
    guard sessions.table.remove(session.id) != nil, let left = session.end() else { return }
    sessions.table.forgetLevel(of: session)
    // Closed before the sweep, so that nothing opens behind it.
    let open = left.upstreams.compactMap { upstream in upstream.close().map { (upstream.cluster, $0) } }
    for reader in left.readers { context.hand(.sessionEnded(reader, of: session), to: reader.worker) }
    if let socket = session.socket {
      // All that a WebSocket has under way is with the worker that holds it.
      context.hand(.abandonCalls(of: session), to: socket.worker)
    } else {
      for worker in 0..<context.worker.group.workerCount where session.mayBe(on: worker) {
        context.hand(.abandonCalls(of: session), to: worker)
      }
    }
    for (cluster, open) in open { upstream.end(open, cluster) }
    if session.overlay != nil { context.delegate.overlayEnded(of: session.id) }
    if !left.subscriptions.isEmpty { end(left.subscriptions, of: session) }
  }

  private func end(_ subscriptions: [[UInt8]: Subscription], of session: Session) {
    let shared = subscriptions.values.filter { !$0.isCounted }.map(\.interest)
    if !shared.isEmpty { withdraw(shared, of: session.id) }
    let counted = subscriptions.values.filter(\.isCounted).map(\.interest)
    if !counted.isEmpty {
      sessions.interests.dismiss(session.id, counted)
      interests.end(counted)
    }
    let bytes = subscriptions.reduce(0) { $0 + $1.value.bytes(named: $1.key) }
    context.worker.memory.giveBack(bytes, of: session.party, on: Int(session.id.worker))
  }

  /// Conversations that it shared are told what nobody is subscribed to any more.
  private func withdraw(_ interests: [ResourceInterest], of session: SessionID) {
    let byUpstream = Dictionary(grouping: interests, by: \.upstream)
    for conversation in sessions.upstream.sessions.all {
      let number = conversation.cluster.number
      guard let own = byUpstream[number] else { continue }
      let orphans = conversation.forget(session, own.map(\.uri))
      guard let open = conversation.current, open.revision.era == .legacy else { continue }
      for uri in orphans where !sessions.isWanted(ResourceInterest(upstream: number, uri: uri), in: conversation) {
        upstream.conversations.mirror.unsubscribe(conversation, open, uri)
      }
    }
  }

  /// What sessions of this worker have no use for any more goes, a few in each turn of the loop. A session is looked after
  /// by the worker that it was opened on.
  public func reap(before start: Int = .max, _ done: @escaping () -> Void) {
    var place = start
    let (now, idle) = (context.now, context.settings.sessionIdleTimeout)
    for session in sessions.table.slice(of: context.index, before: &place, atMost: 256) {
      session.withState { $0.log.expire(now: now) }
      if session.isIdle(for: idle, now: now) { end(session) }
    }
    guard place > 0 else { return done() }
    context.after(milliseconds: 1) { [unowned self] in reap(before: place, done) }
  }
}
