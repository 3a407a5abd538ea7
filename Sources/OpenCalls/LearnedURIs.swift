import Catalogue
import Clusters
import MCP
import Routing
import ServedCatalogue
import Sessions
import Translation
import Wire
import Workers

/// URIs that results have named, and whose results, as one worker knows them.
public final class LearnedURIs {
  private let context: CallsContext
  private var links: PrincipalLinks<Principal>

  public init(_ context: CallsContext) {
    self.context = context
    links = PrincipalLinks(key: SipHash())
  }

  /// What the client of a call has learned.
  public subscript(_ call: Call) -> LearnedLinks? { links[context.principal(of: call)] }

  public subscript(_ principal: Principal) -> LearnedLinks? { links[principal] }

  /// Remembers for the caller whose results named the URIs of a result, and marks those that another server owns as they
  /// are.
  public func note(_ envelope: Envelope, _ hop: Hop, _ cluster: Cluster, _ call: Call) {
    ResultLinks.forEach(envelope, method: hop.method) { place in
      guard let contents = JSON.contents(of: envelope.message[place]) else { return }
      Self.withPlain(contents) { links.learn($0, upstream: cluster.number, by: context.principal(of: call)) }
    }
    guard hop.marksResources else { return }
    let routes = context.sessions.shelf.catalogue(of: call.clientRevision.era).routes
    ResultLinks.mark(envelope, method: hop.method, alias: cluster.alias, splice: &context.worker.splice) { contents in
      var isAnothers = false
      Self.withPlain(contents) { uri in
        guard case .success(let route) = routes.route(resource: uri, view: .all) else { return }
        isAnothers = routes.catalogue.upstreams[route.upstream].number != cluster.number
      }
      return isAnothers
    }
  }

  /// A string of a message as it is meant: some servers escape every slash.
  private static func withPlain(_ contents: RawSpan, _ body: (RawSpan) -> Void) {
    guard JSON.isEscaped(contents) else { return body(contents) }
    var plain = ByteBuffer(capacity: contents.byteCount)
    if JSON.unescape(contents, into: &plain) { body(plain.bytes) }
  }
}
