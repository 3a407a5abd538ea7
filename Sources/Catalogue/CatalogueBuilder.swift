import MCP
import Wire

/// Merges the lists of all upstreams by slicing raw bytes.
public struct CatalogueBuilder {
  /// What one page of a list may measure.
  public struct PageLimits: Sendable {
    public var entries = 1000
    public var bytes = 512 * 1024

    public init() {}
  }

  /// Bytes of a tool's or prompt's own name: eight times what the protocol advises.
  static let nameLimit = 1024

  private let prefixes: Bool
  private let limits: PageLimits
  private var upstreams: [Catalogue.Upstream] = []
  private var aliases: [[UInt8]] = []
  private var problems: [Catalogue.Problem] = []
  private var entries: [[CatalogueEntry]] = Array(repeating: [], count: ListKind.allCases.count)
  private var sources: [[Source]] = Array(repeating: [], count: ListKind.allCases.count)
  /// Which of them are an upstream's, by kind and upstream.
  private var own: [[Range<Int>]] = Array(repeating: [], count: ListKind.allCases.count)
  /// Whether an upstream lets anybody see one of its lists; nil of one that it does not offer. By upstream and kind.
  private var isPublic: [[Bool?]] = []

  /// Where an entry comes from, and the name that the merged view gives it.
  private struct Source {
    var upstream: Int
    var page: Int
    var place: Slice
    /// What is served instead of the bytes at that place.
    var mended: [UInt8]?
    var entry: ListEntry
    /// Raw string contents that replace the identity in the merged view.
    var renamed: [UInt8]?
    var isHiddenFromModern: Bool
  }

  /// Merges in the order given, which is that of the configuration.
  public static func merge(
    _ lists: [UpstreamLists], policy: PrefixPolicy, identity: Identity, limits: PageLimits = PageLimits()
  ) -> Catalogue {
    var builder = CatalogueBuilder(
      prefixes: policy == .always || policy == .conditional && lists.count > 1, limits: limits)
    for list in lists {
      builder.upstreams.append(
        Catalogue.Upstream(
          number: list.number ?? builder.upstreams.count, alias: list.alias, revision: list.revision,
          marksResources: false))
      builder.isPublic.append(ListKind.allCases.map { builder.isPublic(list, $0) })
    }
    builder.aliases = lists.map { Array($0.alias.utf8) }
    for kind in ListKind.allCases { builder.gather(lists, kind) }
    let views = builder.encode(lists)
    return Catalogue(
      upstreams: builder.upstreams, prefixes: builder.prefixes, problems: builder.problems, entries: builder.entries,
      views: views, identity: identity)
  }

  private init(prefixes: Bool, limits: PageLimits) {
    self.prefixes = prefixes
    self.limits = limits
  }

  private func isPublic(_ list: UpstreamLists, _ kind: ListKind) -> Bool? {
    guard list.isFresh, let pages = list.pages[kind], list.revision.era == .modern else { return false }
    guard !pages.isEmpty else { return nil }
    return pages.allSatisfy { JSON.isString(JSON.find("cacheScope", in: $0.rawBytes), "public") }
  }

  // MARK: Names

  /// Finds the entries of one kind in all upstreams and gives each its name in the merged view.
  private mutating func gather(_ lists: [UpstreamLists], _ kind: ListKind) {
    var taken: Set<[UInt8]> = []
    for (upstream, list) in lists.enumerated() {
      let start = sources[Int(kind.rawValue)].count
      defer { own[Int(kind.rawValue)].append(start..<sources[Int(kind.rawValue)].count) }
      var own: Set<[UInt8]> = []
      guard let pages = list.pages[kind] else {
        for token in list.known.tokens[kind] ?? [] {
          keep(token, kind, upstream: upstream, alias: list.alias, own: &own, taken: &taken)
        }
        continue
      }
      var faults = Catalogue.Faults()
      for (pageIndex, page) in pages.enumerated() {
        let page = page.rawBytes
        guard let array = kind.entries(in: page) else { continue }
        var items = JSON.items(of: page[array])
        while let item = items.next() {
          let place = item.value.shifted(by: array.offset)
          add(
            page[place], at: place, page: pageIndex, kind, upstream: upstream, list: list, own: &own, taken: &taken,
            &faults)
        }
      }
      if faults.count > 0 { problems.append(.mended(alias: list.alias, kind: kind, faults)) }
      for token in list.reserved.tokens[kind] ?? [] {
        keep(token, kind, upstream: upstream, alias: list.alias, own: &own, taken: &taken)
      }
    }
  }

  private mutating func add(
    _ raw: RawSpan, at place: Slice, page: Int, _ kind: ListKind, upstream: Int, list: UpstreamLists,
    own: inout Set<[UInt8]>, taken: inout Set<[UInt8]>, _ faults: inout Catalogue.Faults
  ) {
    let alias = list.alias
    guard let found = ListEntry(raw, kind: kind), let name = JSON.bytes(raw[found.identity]) else {
      problems.append(.malformed(alias: alias, kind: kind))
      return
    }
    guard !name.isEmpty, kind == .resources || kind == .templates || name.count <= Self.nameLimit else {
      problems.append(.unusable(alias: alias, kind: kind))
      return
    }
    guard own.insert(name).inserted else {
      problems.append(.duplicate(alias: alias, kind: kind, own: name.rawBytes.text))
      return
    }
    guard kind != .resources || Self.hasScheme(name) else {
      problems.append(.notURI(alias: alias, own: name.rawBytes.text))
      return
    }
    let mending = MendedEntry(raw, kind: kind)
    if !mending.fault.isEmpty { faults.add(name.rawBytes.text, mending.fault) }
    guard let mended = mending.bytes, let entry = ListEntry(mended.rawBytes, kind: kind) else {
      return add(
        Source(upstream: upstream, page: page, place: place, entry: found, isHiddenFromModern: false), raw, name, kind,
        list, taken: &taken)
    }
    add(
      Source(upstream: upstream, page: page, place: place, mended: mended, entry: entry, isHiddenFromModern: false),
      mended.rawBytes, name, kind, list, taken: &taken)
  }

  /// Whether a resource's URI has a scheme: clients that parse URIs refuse a whole list for one that has none.
  private static func hasScheme(_ uri: [UInt8]) -> Bool {
    guard let colon = uri.firstIndex(of: UInt8(ascii: ":")), let first = uri.first else { return false }
    func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
    return isLetter(first)
      && uri[..<colon].allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E].contains($0) }
  }

  /// Gives an entry that can be shown its name in the merged view. `raw` is what is served of it.
  private mutating func add(
    _ source: Source, _ raw: RawSpan, _ name: [UInt8], _ kind: ListKind, _ list: UpstreamLists,
    taken: inout Set<[UInt8]>
  ) {
    let alias = list.alias
    let entry = source.entry
    var source = source
    var parameters: [MirroredParameter] = []
    if kind == .tools, let schema = entry.inputSchema {
      switch MirroredParameters(schema: raw[schema]) {
      case .valid(let found): parameters = found
      case .invalid(let reason):
        problems.append(.badHeaderAnnotation(alias: alias, tool: name.rawBytes.text, reason: reason))
        // The upstream would want headers that nobody can send.
        if list.isHTTP, list.revision.era == .modern { return }
        source.isHiddenFromModern = true
      }
    }
    let upstream = source.upstream
    guard let exposed = expose(name, kind, upstream: upstream, alias: alias, taken: &taken) else { return }
    if exposed != name {
      var contents = ByteBuffer()
      contents.append(escaped: exposed.rawBytes)
      source.renamed = contents.bytes.array
    }
    entries[Int(kind.rawValue)].append(
      CatalogueEntry(
        upstream: upstream, exposed: exposed, own: name, ownToken: raw[entry.identity].array, parameters: parameters,
        hasNonObjectOutput: entry.hasNonObjectOutput(raw), isRepeatable: entry.isRepeatable(raw)))
    sources[Int(kind.rawValue)].append(source)
  }

  /// Keeps a name for a server that does not list it here, or has not answered yet: nobody sees it, but nobody else gets it, and calls to it go there.
  private mutating func keep(
    _ token: [UInt8], _ kind: ListKind, upstream: Int, alias: String, own: inout Set<[UInt8]>, taken: inout Set<[UInt8]>
  ) {
    guard let name = JSON.bytes(token.rawBytes), !name.isEmpty, own.insert(name).inserted else { return }
    // That it was renamed is news when it is served.
    let told = problems.count
    let exposed = expose(name, kind, upstream: upstream, alias: alias, taken: &taken)
    problems.removeSubrange(told...)
    guard let exposed else { return }
    entries[Int(kind.rawValue)].append(
      CatalogueEntry(
        upstream: upstream, exposed: exposed, own: name, ownToken: token, parameters: [], hasNonObjectOutput: false))
  }

  /// The name in the merged view: the first server in the configuration keeps a name that two want. Nil, and reported, if
  /// it can have none.
  private mutating func expose(
    _ name: [UInt8], _ kind: ListKind, upstream: Int, alias: String, taken: inout Set<[UInt8]>
  ) -> [UInt8]? {
    let isResource = kind == .resources || kind == .templates
    if isResource, let other = anothersMark(in: name.rawBytes, upstream: upstream) {
      problems.append(.markedAsAnothers(alias: alias, kind: kind, own: name.rawBytes.text, other: other))
      return nil
    }
    let wanted = isResource || !prefixes ? name : ExposedName.prefixed(name, alias: alias)
    // What begins with an alias is that server's, whoever comes first: nobody else takes or shadows it.
    let other = isResource ? nil : anothersPrefix(of: wanted, upstream: upstream)
    if other == nil, taken.insert(wanted).inserted { return wanted }
    var candidates: [[UInt8]] = []
    if isResource {
      var marked = ByteBuffer()
      ResourceTag.append(name.rawBytes, alias: alias, to: &marked)
      candidates = [marked.bytes.array]
    } else {
      let prefixed = ExposedName.prefixed(name, alias: alias)
      if anothersPrefix(of: prefixed, upstream: upstream) == nil {
        candidates = [prefixed, ExposedName.disambiguated(prefixed, alias: alias)]
      }
    }
    let exposed = candidates.first { taken.insert($0).inserted }
    let own = name.rawBytes.text
    if let other {
      problems.append(
        .prefixedAsAnothers(alias: alias, kind: kind, own: own, other: other, exposed: exposed?.rawBytes.text))
    } else if let exposed {
      if isResource { upstreams[upstream].marksResources = true }
      problems.append(.renamed(alias: alias, kind: kind, own: own, exposed: exposed.rawBytes.text))
    } else {
      problems.append(.duplicate(alias: alias, kind: kind, own: own))
    }
    return exposed
  }

  /// The other server with whose alias a name begins.
  private func anothersPrefix(of name: [UInt8], upstream: Int) -> String? {
    let owner = ExposedName.owner(of: name.rawBytes, among: aliases)
    return owner == nil || owner == upstream ? nil : upstreams[owner!].alias
  }

  /// The other server whose mark a URI or template carries. Only that server may be asked for it, and only that server's
  /// entries may need it as their name.
  private func anothersMark(in uri: RawSpan, upstream: Int) -> String? {
    guard ResourceTag.alias(in: uri) != nil else { return nil }
    for (place, other) in upstreams.enumerated() where place != upstream {
      if ResourceTag.range(in: uri, alias: Array(other.alias.utf8).rawBytes) != nil { return other.alias }
    }
    return nil
  }

  // MARK: Pages

  private func encode(_ lists: [UpstreamLists]) -> [Catalogue.Lists] {
    var views = [encode(lists, only: nil)]
    for upstream in lists.indices {
      // With one upstream and no prefix both views are the same bytes.
      let isSame = lists.count == 1 && sources.allSatisfy { $0.allSatisfy { $0.renamed == nil } }
      views.append(isSame ? views[0] : encode(lists, only: upstream))
    }
    return views
  }

  private func encode(_ lists: [UpstreamLists], only upstream: Int?) -> Catalogue.Lists {
    var splice = Splice()
    var pages: [[[Catalogue.Page]]] = []
    for revisions in RevisionClass.allCases {
      pages.append(
        ListKind.allCases.map { kind in
          let encoded = encode(lists, kind, for: revisions, only: upstream, splice: &splice)
          // Most entries look alike to neighbouring classes: then they share their bytes.
          if let before = pages.last?[Int(kind.rawValue)], before == encoded { return before }
          return encoded
        })
    }
    let contributors = lists.indices.filter { upstream == nil || $0 == upstream }
    return Catalogue.Lists(
      pages: pages,
      isPublic: ListKind.allCases.map { kind in
        let said = contributors.compactMap { isPublic[$0][Int(kind.rawValue)] }
        return !said.isEmpty && said.allSatisfy { $0 }
      })
  }

  private func encode(
    _ lists: [UpstreamLists], _ kind: ListKind, for revisions: RevisionClass, only upstream: Int?,
    splice: inout Splice
  ) -> [Catalogue.Page] {
    var pages: [Catalogue.Page] = []
    var body = ByteBuffer()
    var count = 0
    let all = sources[Int(kind.rawValue)]
    for source in all[upstream.map { own[Int(kind.rawValue)][$0] } ?? all.indices] {
      if revisions == .modern, source.isHiddenFromModern { continue }
      guard let page = lists[source.upstream].pages[kind]?[source.page] else { continue }
      let start = body.count
      if count > 0 { body.append(",") }
      // An upstream's own view has its own names.
      let renamed = upstream == nil ? source.renamed : nil
      if let mended = source.mended {
        write(source.entry, mended.rawBytes, kind, for: revisions, renamed, splice: &splice, into: &body)
      } else {
        write(source.entry, page.rawBytes[source.place], kind, for: revisions, renamed, splice: &splice, into: &body)
      }
      count += 1
      if count > 1, body.count > limits.bytes || count > limits.entries {
        // This entry opens the next page instead.
        let entry = body.bytes.extracting((start + 1)..<body.count).array
        body.truncate(to: start)
        pages.append(Catalogue.Page(body: body.bytes.array))
        body.clear()
        body.append(entry)
        count = 1
      }
    }
    pages.append(Catalogue.Page(body: body.bytes.array))
    return pages
  }
  private func write(
    _ entry: ListEntry, _ raw: RawSpan, _ kind: ListKind, for revisions: RevisionClass, _ renamed: [UInt8]?,
    splice: inout Splice, into body: inout ByteBuffer
  ) {
    if let renamed {
      entry.write(raw, kind: kind, for: revisions, identity: renamed.rawBytes, splice: &splice, into: &body)
    } else {
      entry.write(raw, kind: kind, for: revisions, identity: nil, splice: &splice, into: &body)
    }
  }
}
