import Catalogue
import Clusters
import Configuration
import Delivery
import MCP
import Reactor
import Sessions
import Translation
import UpstreamClient
import Wire
import Workers

/// Opens sessions, whichever transport their clients come over, and says what there is for them.
final class SessionOpenings {
  private let context: FrontContext
  private let loop: EventLoop
  private let body: Scratch

  init(_ context: FrontContext) {
    self.context = context
    loop = context.loop
    body = context.body
  }

  /// nil if there are as many sessions as there may be.
  func make(
    for party: Party, _ view: CatalogueView, _ envelope: Envelope, _ revision: Revision,
    _ transport: Session.Transport = .streamableHTTP
  ) -> Session? {
    let session = Session(
      id: SessionID(worker: UInt8(context.worker.index)), party: party, view: view,
      handshake: Session.Handshake(revision, envelope), transport,
      replay: context.settings.configuration.sessions.replay, resumeWindow: context.settings.resumeWindow, now: loop.now
    )
    return takeIn(session) ? session : nil
  }

  /// Takes a session in, if need be in place of one that its client has never used, which then hears 404 and opens another.
  /// False if there are as many as there may be.
  func takeIn(_ session: Session) -> Bool {
    session.hears(after: context.deliveries.listNews.last)
    switch context.sessions.table.insert(session, now: loop.now) {
    case .admitted: return true
    case .inPlaceOf(let other):
      if let unused = context.sessions.find(other) { context.delivery.ends.end(unused) }
      return true
    case .full: return false
    }
  }

  /// What its client has said of itself, if need be once more.
  func shakeHands(_ session: Session, _ revision: Revision, _ envelope: Envelope) {
    let settled = Session.Handshake(revision, envelope)
    var outdated: [(Cluster, UpstreamSession.Open)] = []
    context.sessions.table.regroup(session) { outdated = session.shakeHands(settled) }
    for (cluster, open) in outdated { context.upstream.end(open, cluster) }
    let sessions = context.sessions
    session.withState { sessions.tell($0, of: session) }
  }

  /// The InitializeResult, in body scratch.
  func writeResult(_ envelope: Envelope, _ session: Session) {
    body.clear()
    body.buffer.append(responseTo: envelope.id)
    context.sessions.append(initializeResultOf: session, to: &body.buffer)
    body.buffer.append("}")
  }
}
