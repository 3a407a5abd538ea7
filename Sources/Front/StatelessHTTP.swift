import Calls
import Catalogue
import Delivery
import MCP
import Reactor
import ServedCatalogue
import Sessions
import Wire

/// Streamable HTTP of 2026-07-28: every request stands alone.
final class StatelessHTTPFront {
  private let context: FrontContext
  private let answers: HTTPAnswers
  private let calls: Calls
  private let shelf: CatalogueShelf

  init(_ context: FrontContext) {
    self.context = context
    answers = context.answers
    calls = context.calls
    shelf = context.shelf
  }

  func serve(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ envelope: Envelope
  ) {
    let isListen = envelope.method == .subscriptionsListen
    let kind = isListen ? Arrival.Kind.listen : .request(envelope.method)
    guard context.admits(kind, .post(connection), .streamableHTTP, nil, id: envelope.id, .modern) else { return }
    if isListen { return context.delivery.listens.listen(.post(connection), view, envelope) }
    if envelope.method == .toolsCall, let fault = mirroredFault(head, envelope, view) {
      return answers.refuse(connection, fault, id: envelope.id, .modern)
    }
    var lines: [MirroredLine] = []
    switch envelope.method {
    case .toolsCall: lines = MirroredLine.all(of: head)
    case .other: lines = MirroredLine.ofOther(head)
    default: break
    }
    calls.serve(.post(connection), view, envelope, mirrored: lines)
  }

  /// Whether the `Mcp-Param-*` headers of a call say what its arguments say.
  private func mirroredFault(
    _ head: RequestHead, _ envelope: Envelope, _ view: CatalogueView
  ) -> GatewayError? {
    guard let token = envelope.value(Param.name), let name = JSON.contents(of: token) else { return nil }
    let routes = shelf.catalogue(of: .modern).routes
    guard case .success(let route) = routes.route(.tools, named: name, view: view), let place = route.entry else {
      return nil
    }
    let parameters = routes.parameters(ofTool: place)
    guard !parameters.isEmpty else { return nil }
    return parameters.span.fault(head, arguments: envelope.value(Param.arguments), scratch: &context.head.buffer)
  }
}
