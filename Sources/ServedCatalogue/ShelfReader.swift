import MCP
import Reactor

/// One loop's own reference to the catalogues of the moment: a call takes no lock and counts no reference on what all loops
/// read. Others are fetched when the shelf's word says that there are others.
public final class ShelfReader {
  private let shelf: CatalogueShelf
  private var version: UInt32
  private var catalogues: Catalogues
  /// How many are looking, one within the other.
  private var lookers = 0

  public init(_ shelf: CatalogueShelf) {
    self.shelf = shelf
    version = shelf.version
    catalogues = shelf.catalogues
  }

  /// Lets `body` look at what all clients of an era see. Whatever it does, and whoever looks from within it, sees the same.
  @inline(__always)
  public func look<Result>(at era: Era, _ body: (ServedCatalogue) -> Result) -> Result {
    if lookers == 0, shelf.version != version { fetch() }
    lookers += 1
    defer { lookers -= 1 }
    return Lent(catalogues[era]).with(body)
  }

  private func fetch() {
    // The word first: what comes in between is fetched once more.
    version = shelf.version
    catalogues = shelf.catalogues
  }
}
