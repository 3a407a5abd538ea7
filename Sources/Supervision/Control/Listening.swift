import Reactor
import Upstream
import UpstreamRequests
import Workers

/// What the gateway has open toward one upstream in order to hear what that tells outside of calls.
final class Listening: @unchecked Sendable {  // touched on the control loop alone
  /// The connection of the stream of the gateway's own legacy session.
  var stream: ConnectionID?
  /// That which ended last, to be taken up where it did.
  var past: UpstreamStream?
  /// Toward a modern upstream.
  var listens = ModernListenSet()
  /// When one of these was opened, and when the next is if it ends.
  var since: UInt64 = 0
  var backoff = Backoff()

  var isOpen: Bool { stream != nil || listens.isOpen }
}
