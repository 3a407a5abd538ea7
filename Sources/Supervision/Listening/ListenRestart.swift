import Clusters
import Translation
import Wire
import Workers

/// What follows when the gateway has not heard an upstream for a while.
final class ListenRestart: @unchecked Sendable {  // touched on the control loop alone
  /// A stream that ended sooner than this is opened again later and later, in milliseconds.
  private static let briefTime: UInt64 = 10_000

  private let loop: ControlLoop

  init(_ loop: ControlLoop) { self.loop = loop }

  /// The stream has ended by itself: another one is opened in a while. What the server asked for, in milliseconds, is the
  /// least: one that ends its streams as soon as they are open would have its lists fetched again each time.
  func schedule(_ supervised: SupervisedCluster, asked: UInt64? = nil, wasOfUse: Bool = false) {
    let listening = supervised.listening
    let wasOfUse = wasOfUse || loop.now >= listening.since + Self.briefTime
    if wasOfUse { listening.backoff.succeeded() }
    let usual = wasOfUse ? listening.backoff.delay() : listening.backoff.failed()
    let delay = UpstreamRetry.delay(asked: asked.map { max($0, usual) }, otherwise: usual)
    loop.after(milliseconds: delay) { [weak supervised] in
      guard let supervised, !supervised.listening.isOpen else { return }
      supervised.raise(.streamEnded)
    }
  }

  /// What was told while nobody listened is lost: whoever named a resource is told that it may have changed.
  func makeUpForSilence(_ supervised: SupervisedCluster, _ uris: [[UInt8]]) {
    for uri in uris {
      var params = ByteBuffer(capacity: uri.count + 16)
      params.append("{\"uri\":")
      params.append(quoted: uri.rawBytes)
      params.append("}")
      var message = ByteBuffer(capacity: uri.count + 96)
      message.append(notification: .notifyResourcesUpdated, params: params.bytes)
      let scanner = EnvelopeScanner()
      loop.clients.resourceUpdated(supervised.cluster, scanner.scan(message.bytes), supervised.binding)
    }
  }
}
