import Wire

/// The lists of one upstream as it answered them.
package struct UpstreamLists: Sendable, Equatable {
  /// The upstream's number; nil: its place.
  package var number: Int?
  package var alias: String
  package var revision: Revision
  /// Reached by HTTP, where the mirrored parameters of modern tools matter.
  package var isHTTP: Bool
  /// The last refresh worked. Otherwise the lists are those of the last good answer, and clients must not keep them.
  package var isFresh: Bool
  /// The raw result objects of each page, in order.
  package var pages: [ListKind: [[UInt8]]]
  /// What it called its own before this gateway started. Counts for lists that it has not answered yet.
  package var known = KnownNames()
  /// What is its own as well, though it is not listed here: in the other era it goes by these names.
  package var reserved = KnownNames()

  package init(
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
  package init(of lists: UpstreamLists) {
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
