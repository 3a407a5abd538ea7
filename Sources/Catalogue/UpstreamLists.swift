import MCP
import Wire

/// The lists of one upstream as it answered them.
public struct UpstreamLists: Sendable, Equatable {
  /// The upstream's number; nil: its place.
  public var number: Int?
  public var alias: String
  public var revision: Revision
  /// Reached by HTTP, where the mirrored parameters of modern tools matter.
  public var isHTTP: Bool
  /// The last refresh worked. Otherwise the lists are those of the last good answer, and clients must not keep them.
  public var isFresh: Bool
  /// The raw result objects of each page, in order.
  public var pages: [ListKind: [[UInt8]]]
  /// What it called its own before this gateway started. Counts for lists that it has not answered yet.
  public var known = KnownNames()
  /// What is its own as well, though it is not listed here: in the other era it goes by these names.
  public var reserved = KnownNames()

  public init(
    alias: String, revision: Revision, isHTTP: Bool, isFresh: Bool = true, pages: [ListKind: [[UInt8]]] = [:]
  ) {
    self.alias = alias
    self.revision = revision
    self.isHTTP = isHTTP
    self.isFresh = isFresh
    self.pages = pages
  }
}

extension KnownNames {
  /// Those that an upstream lists.
  public init(of lists: UpstreamLists) {
    self.init()
    var room = Self.most
    for kind in ListKind.allCases {
      for page in lists.pages[kind] ?? [] {
        let page = page.rawBytes
        guard let array = kind.entries(in: page) else { continue }
        var items = JSON.items(of: page[array])
        while let item = items.next() {
          let raw = items.value(of: item)
          if let entry = ListEntry(raw, kind: kind) { add(raw[entry.identity].array, kind, &room) }
        }
      }
    }
  }
}
