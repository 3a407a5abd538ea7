import Catalogue
import Clusters
import ServedCatalogue
import Wire

/// The paths of the client listeners.
struct Paths {
  /// What a path names.
  enum Name {
    case endpoint(CatalogueView)
    /// `GET /mcp/sse` of HTTP+SSE.
    case eventStream
    /// `POST /mcp/messages` of HTTP+SSE.
    case messages
    /// The opening of a WebSocket.
    case socket(CatalogueView)
    case echo
    case unknown
  }

  private let shelf: CatalogueShelf
  private let hasEcho: Bool

  /// - Parameter hasEcho: whether `/debug/echo` is served.
  init(_ shelf: CatalogueShelf, hasEcho: Bool) {
    self.shelf = shelf
    self.hasEcho = hasEcho
  }

  /// The WebSocket listener serves nothing but WebSockets, and takes the root for them too. A slash at the end, which some
  /// clients and people add, means nothing.
  func name(of path: RawSpan, onSocketListener: Bool) -> Name {
    let name = name(of: path.withoutLastSlash)
    guard onSocketListener else { return name }
    if path.equals("/") { return .socket(.all) }
    if case .socket = name { return name }
    return .unknown
  }

  private func name(of path: RawSpan) -> Name {
    if hasEcho, path.equals("/debug/echo") { return .echo }
    guard path.hasPrefix("/mcp") else { return .unknown }
    var rest = path.extracting(4..<path.byteCount)
    if rest.byteCount == 0 { return .endpoint(.all) }
    guard rest[byte: 0] == UInt8(ascii: "/") else { return .unknown }
    rest = rest.extracting(1..<rest.byteCount)
    if rest.equals("sse") { return .eventStream }
    if rest.equals("messages") { return .messages }
    if rest.equals("ws") { return .socket(.all) }
    if rest.byteCount > 3, rest.extracting((rest.byteCount - 3)..<rest.byteCount).equals("/ws") {
      return view(of: rest.extracting(0..<(rest.byteCount - 3))).map { .socket($0) } ?? .unknown
    }
    return view(of: rest).map { .endpoint($0) } ?? .unknown
  }

  /// Of the server with that alias, alone.
  private func view(of alias: RawSpan) -> CatalogueView? {
    for cluster in shelf.clusters where cluster.isNamed(alias) { return .only(upstream: cluster.number) }
    return nil
  }
}
