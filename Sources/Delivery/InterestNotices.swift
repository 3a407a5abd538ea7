import Clusters
import ServedCatalogue
import Sessions
import Workers

/// Who wants to hear of resources is told to their servers, by the control loop; who waits for that on this worker goes on
/// when they know.
public final class InterestNotices {
  private let context: DeliveryContext
  private let interests: Interests
  private let shelf: CatalogueShelf
  private let later: Continuations<DeliveryLetter>

  /// The longest that an acknowledgement waits for upstreams to take note of what it acknowledges.
  private static let settlingTime: UInt64 = 2000

  init(_ context: DeliveryContext) {
    self.context = context
    interests = context.sessions.interests
    shelf = context.sessions.shelf
    later = Continuations(context.worker, context.shared.mail, DeliveryLetter.interestNoted)
  }

  /// Somebody wants to hear of these resources. Goes on when their upstreams have been told, so that nothing that
  /// happens from then on is missed, or after a while in any case.
  func begin(_ begun: [ResourceInterest], _ settled: @escaping () -> Void) {
    interests.add(begun)
    tell(of: begun, settled)
  }

  /// Nobody that was counted for these resources wants to hear of them any more.
  func end(_ ended: [ResourceInterest]) {
    interests.remove(ended)
    tell(of: ended) {}
  }

  /// Has the upstreams of these resources take note of who is interested by now.
  public func tell(of concerned: [ResourceInterest], _ settled: @escaping () -> Void) {
    let clusters = Set(concerned.map(\.upstream)).compactMap { shelf.cluster(numbered: $0) }
    let ready = clusters.filter { $0.isReady && !$0.isEmbedded }
    guard !ready.isEmpty else { return settled() }
    let noted = later.once(after: ready.count, within: Self.settlingTime, settled)
    for cluster in ready { context.delegate.interestChanged(in: cluster, noted) }
  }

  /// They know, or have had time enough.
  func noted(_ number: UInt64) { later.goOn(number) }
}
