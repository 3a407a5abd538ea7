import Catalogue
import MCP
import Wire

/// What the lists of one upstream may come to while they are fetched. A value without I/O.
struct ListAllowance {
  /// Bytes of all lists, and entries of each.
  struct Bounds: Sendable {
    var bytes: Int
    var entries: Int
  }

  private let bounds: Bounds
  private var bytes = 0
  private var entries = 0

  /// - Parameter taken: bytes of the upstream's other lists.
  init(_ bounds: Bounds, taken: Int) {
    self.bounds = bounds
    bytes = taken
  }

  /// One more page of the list. Why it is too much; nil if it is not.
  mutating func add(_ page: RawSpan, _ kind: ListKind) -> String? {
    bytes += page.byteCount
    guard bytes <= bounds.bytes else { return "its lists have more than \(bounds.bytes) bytes (limits.list)" }
    guard let array = kind.entries(in: page) else { return nil }
    var items = JSON.items(of: page[array])
    while items.next() != nil {
      entries += 1
      guard entries <= bounds.entries else {
        return "it has more than \(bounds.entries) \(kind) (limits.list_entries)"
      }
    }
    return nil
  }
}

extension UpstreamLists {
  /// Bytes of all pages but those of some kinds.
  func bytes(without kinds: ListKinds) -> Int {
    pages.reduce(0) { sum, entry in
      kinds.contains(ListKinds(entry.key)) ? sum : entry.value.reduce(sum) { $0 + $1.count }
    }
  }
}
