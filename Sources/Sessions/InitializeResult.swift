import MCP
import ServedCatalogue
import Wire

extension SessionsShared {
  /// Appends what there is for a session by now, which holds for it from here on.
  public func append(initializeResultOf session: Session, to buffer: inout ByteBuffer) {
    let offer = shelf.catalogue(of: .legacy).offer(session.view)
    session.note(offer)
    buffer.append(initializeResult: offer, revision: session.revision)
  }
}
