import MCP
import Wire

/// One entry of the merged lists, as calls need it.
public struct CatalogueEntry: Sendable, Equatable {
  /// The upstream's place in the catalogue.
  public var upstream: Int
  /// The name, URI or URI template that clients of the merged view use, unescaped.
  public var exposed: [UInt8]
  /// What the upstream calls it, unescaped, and the string token in which it said so.
  public var own: [UInt8]
  public var ownToken: [UInt8]
  /// Arguments that modern HTTP mirrors in headers.
  public var parameters: [MirroredParameter]
  /// Its structured results may be other than objects.
  public var hasNonObjectOutput: Bool
  /// The server says of a tool that a call of it changes nothing, or that a second one changes nothing more (`readOnlyHint`,
  /// `idempotentHint`).
  public var isRepeatable = false
}

/// Which lists a client sees: those of all servers, or of one of them under its own names.
public enum CatalogueView: Sendable, Hashable {
  case all
  /// By the upstream's number.
  case only(upstream: Int)

  /// Written out, since every event compares it: the compiler's own would be called by a witness table in other modules.
  public static func == (a: CatalogueView, b: CatalogueView) -> Bool {
    switch (a, b) {
    case (.all, .all): true
    case (.only(let a), .only(let b)): a == b
    case (.all, .only), (.only, .all): false
    }
  }
}

/// The merged lists of all upstreams, encoded for every kind of client: made on the control loop, never changed,
/// read by every worker.
public final class Catalogue: Sendable {
  /// Something in the upstreams' lists that could not be shown as it is.
  public enum Problem: Sendable, Hashable {
    /// The name was taken, so the entry appears under another one.
    case renamed(alias: String, kind: ListKind, own: String, exposed: String)
    /// The entry came a second time from its server, or no free name was left.
    case duplicate(alias: String, kind: ListKind, own: String)
    /// It has no identity.
    case malformed(alias: String, kind: ListKind)
    /// Its identity is empty, or longer than any client could want.
    case unusable(alias: String, kind: ListKind)
    /// Strict clients would have refused the whole list for these entries, so they are served otherwise.
    case mended(alias: String, kind: ListKind, Faults)
    /// A resource whose URI has no scheme, for which clients that parse URIs would refuse the whole list.
    case notURI(alias: String, own: String)
    /// Its URI carries the mark of another server, so a read of it would be that server's.
    case markedAsAnothers(alias: String, kind: ListKind, own: String, other: String)
    /// It begins with another server's alias, so a call of it would be that server's. It appears under another name, if
    /// there is one.
    case prefixedAsAnothers(alias: String, kind: ListKind, own: String, other: String, exposed: String?)
    /// Its `x-mcp-header` annotations break a rule, so modern clients don't see it.
    case badHeaderAnnotation(alias: String, tool: String, reason: String)
  }

  /// What was wrong with entries of one list, told as one: a server that makes a mistake makes it in all of them.
  public struct Faults: Sendable, Hashable {
    /// The first of them with what is wrong with each.
    public private(set) var examples: [String] = []
    public private(set) var count = 0

    static let examplesLimit = 3

    mutating func add(_ own: String, _ fault: String) {
      count += 1
      if examples.count < Self.examplesLimit { examples.append("\"\(own.prefix(80))\" (\(fault))") }
    }

    public var text: String {
      examples.joined(separator: ", ") + (count > examples.count ? " and \(count - examples.count) more" : "")
    }
  }

  /// A server behind the catalogue.
  public struct Upstream: Sendable, Equatable {
    /// What it is known by for as long as the gateway runs; its place in the catalogue changes with the configuration.
    public var number: Int
    public var alias: String
    public var revision: Revision
    /// One of its resources is shown under a marked URI, so the URIs in its results need the mark as well.
    public var marksResources: Bool
  }

  struct Page: Sendable, Equatable {
    /// The entries, with commas between them.
    var body: [UInt8]
  }

  /// What a client of one view sees in the shape of one revision class.
  struct Lists: Sendable, Equatable {
    /// Indexed by class, then kind.
    var pages: [[[Page]]]
    /// Whether modern clients may share it, by kind.
    var isPublic: [Bool]
  }

  /// By view and kind. Cursors of another epoch are refused. The same list has the same one, in every process, and what
  /// happens to others is nothing to it.
  private let epochs: [[UInt64]]
  public let upstreams: [Upstream]
  public let prefixes: Bool
  public let problems: [Problem]
  private let entries: [[CatalogueEntry]]
  private let views: [Lists]
  private let serverInfo: [UInt8]

  init(
    upstreams: [Upstream], prefixes: Bool, problems: [Problem], entries: [[CatalogueEntry]], views: [Lists],
    identity: Identity
  ) {
    epochs = Self.epochs(upstreams, views)
    self.upstreams = upstreams
    self.prefixes = prefixes
    self.problems = problems
    self.entries = entries
    self.views = views
    var info = ByteBuffer()
    info.append(identity)
    serverInfo = info.bytes.array
  }

  /// Whether it holds the same, so that cursors of the other may go on being used.
  public func isSame(as other: Catalogue) -> Bool {
    upstreams == other.upstreams && prefixes == other.prefixes && entries == other.entries && views == other.views
  }

  /// A number made of every page of a list, by view and kind.
  private static func epochs(_ upstreams: [Upstream], _ views: [Lists]) -> [[UInt64]] {
    var buffer = ByteBuffer(capacity: 1024)
    // A cursor names a view by its place.
    for upstream in upstreams {
      buffer.append(quoted: upstream.alias)
      buffer.append(upstream.revision.label)
    }
    let common = buffer.count
    return views.map { lists in
      ListKind.allCases.map { kind in
        buffer.truncate(to: common)
        append(lists, kind, to: &buffer)
        return FastHash.hash(buffer.bytes)
      }
    }
  }

  private static func append(_ lists: Lists, _ kind: ListKind, to buffer: inout ByteBuffer) {
    for pages in lists.pages {
      for page in pages[Int(kind.rawValue)] {
        buffer.append(hex: FastHash.hash(page.body.rawBytes), digits: 16)
        buffer.append(decimal: UInt64(page.body.count))
        buffer.append(",")
      }
      buffer.append(";")
    }
  }

  /// What cursors of a list say of it; nil of a view that there is not.
  public func epoch(_ kind: ListKind, view: CatalogueView) -> UInt64? {
    index(of: view).map { epochs[$0][Int(kind.rawValue)] }
  }

  public func entries(_ kind: ListKind) -> [CatalogueEntry] { entries[Int(kind.rawValue)] }

  /// How many pages the list has; at least one, perhaps empty, of a view that there is.
  public func pageCount(_ kind: ListKind, view: CatalogueView, revision: Revision) -> Int {
    index(of: view).map { pages(kind, $0, revision).count } ?? 0
  }

  /// The page that a request asks for. `cursor` is the raw contents of `params.cursor`, without its quotes.
  public func page(
    at cursor: RawSpan?, of kind: ListKind, view: CatalogueView, revision: Revision, key: SipHash
  ) -> Result<Int, GatewayError> {
    guard let index = index(of: view) else { return .failure(GatewayError(.notFound)) }
    guard let cursor else { return .success(0) }
    guard let place = Cursor(cursor, key: key), place.kind == kind, place.view == UInt16(index),
      Int(place.page) < pageCount(kind, view: view, revision: revision)
    else { return .failure(GatewayError(.invalidCursor)) }
    guard place.epoch == epochs[index][Int(kind.rawValue)] else {
      return .failure(GatewayError(.invalidCursor, message: "Invalid cursor: the list has changed, start again"))
    }
    return .success(Int(place.page))
  }

  /// Appends the list's result object.
  /// - Parameter lifetime: milliseconds for which a modern client may keep it.
  public func append(
    _ kind: ListKind, page: Int, view: CatalogueView, revision: Revision, lifetime: UInt64 = 0, key: SipHash,
    to buffer: inout ByteBuffer
  ) {
    guard let index = index(of: view) else { preconditionFailure("no such view") }
    let pages = pages(kind, index, revision)
    precondition(page >= 0 && page < pages.count, "no such page")
    let body = pages[page].body
    buffer.reserve(body.count + serverInfo.count + 256)
    buffer.append("{")
    if revision.era == .modern {
      let lists = views[index]
      buffer.append(#""resultType":"complete","ttlMs":"#)
      buffer.append(decimal: lifetime)
      buffer.append(lists.isPublic[Int(kind.rawValue)] ? #","cacheScope":"public","# : #","cacheScope":"private","#)
    }
    buffer.append("\"")
    buffer.append(kind.member.key)
    buffer.append(#"":["#)
    buffer.append(body)
    buffer.append("]")
    if page + 1 < pages.count {
      buffer.append(#","nextCursor":""#)
      Cursor(epoch: epochs[index][Int(kind.rawValue)], kind: kind, view: UInt16(index), page: UInt32(page + 1)).append(
        to: &buffer, key: key)
      buffer.append("\"")
    }
    if revision.era == .modern {
      buffer.append(#","_meta":{"io.modelcontextprotocol/serverInfo":"#)
      buffer.append(serverInfo)
      buffer.append("}")
    }
    buffer.append("}")
  }

  /// Which lists a client of this view sees differently since `older`.
  public func changes(since older: Catalogue, view: CatalogueView) -> ListKinds {
    guard let index = index(of: view) else { return [] }
    guard let before = older.index(of: view) else {
      return ListKind.allCases.reduce(into: []) { $0.insert(ListKinds($1)) }
    }
    var changed: ListKinds = []
    for kind in ListKind.allCases {
      for revisions in RevisionClass.allCases {
        let mine = views[index].pages[Int(revisions.rawValue)][Int(kind.rawValue)]
        let theirs = older.views[before].pages[Int(revisions.rawValue)][Int(kind.rawValue)]
        if mine != theirs { changed.insert(ListKinds(kind)) }
      }
    }
    return changed
  }

  /// The place of an upstream by its number; nil if it is not in this catalogue.
  public func place(ofUpstream number: Int) -> Int? { upstreams.firstIndex { $0.number == number } }

  private func index(of view: CatalogueView) -> Int? {
    switch view {
    case .all: 0
    case .only(let number): place(ofUpstream: number).map { $0 + 1 }
    }
  }

  private func pages(_ kind: ListKind, _ index: Int, _ revision: Revision) -> [Page] {
    views[index].pages[Int(RevisionClass(revision).rawValue)][Int(kind.rawValue)]
  }
}
