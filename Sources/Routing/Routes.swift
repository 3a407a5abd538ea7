import Catalogue
import MCP
import Translation
import Wire

/// Which upstream answers for a tool, a prompt or a resource. Made on the control loop from one catalogue, never
/// changed, read by every worker.
public final class Routes: Sendable {
  public let catalogue: Catalogue
  private let aliases: [[UInt8]]
  /// The upstreams that offer resources at all.
  private let resourceServers: [Int]

  // By the merged view's name (scope 0) and by each upstream's own (its place plus one).
  private let tools: NameTable
  private let prompts: NameTable
  private let resources: NameTable
  private let templates: NameTable
  private let patterns: [Pattern]
  private let toolPlaces: [Place]
  private let toolParameters: [[MirroredParameter]]
  private let promptPlaces: [Place]
  private let resourcePlaces: [Place]
  /// Listed resources without a slash at the end, for the longest listed prefix, and how long those are, longest first.
  private let listedPrefixes: NameTable
  private let prefixLengths: [Int]

  /// What a lookup needs of each entry, so that it touches no reference count.
  private struct Place: Sendable {
    var upstream: UInt16
    var isRenamed: Bool
    var hasNonObjectOutput: Bool
    var isRepeatable: Bool
    /// What tells it from the others of its upstream, from one catalogue to the next; never 0.
    var key: UInt64

    init(_ entry: CatalogueEntry) {
      upstream = UInt16(entry.upstream)
      key = max(FastHash.hash(entry.own.rawBytes), 1)
      isRenamed = entry.own != entry.exposed
      hasNonObjectOutput = entry.hasNonObjectOutput
      isRepeatable = entry.isRepeatable
    }

    func route(_ place: Int) -> Route {
      Route(upstream: Int(upstream), entry: place, rename: isRenamed ? .listed : .keep)
    }
  }

  private struct Pattern: Sendable {
    var template: URITemplate
    var entry: Int
    var upstream: Int
    /// For URIs of a template that carries its server's mark.
    var isMarked: Bool
  }

  public init(_ catalogue: Catalogue, resourceServers: [Int]) {
    self.catalogue = catalogue
    self.resourceServers = resourceServers
    aliases = catalogue.upstreams.map { Array($0.alias.utf8) }
    tools = Self.table(catalogue.entries(.tools))
    prompts = Self.table(catalogue.entries(.prompts))
    resources = Self.table(catalogue.entries(.resources))
    templates = Self.table(catalogue.entries(.templates))
    toolPlaces = catalogue.entries(.tools).map(Place.init)
    toolParameters = catalogue.entries(.tools).map(\.parameters)
    promptPlaces = catalogue.entries(.prompts).map(Place.init)
    resourcePlaces = catalogue.entries(.resources).map(Place.init)
    patterns = catalogue.entries(.templates).enumerated().map { place, entry in
      Pattern(
        template: URITemplate(entry.own), entry: place, upstream: entry.upstream, isMarked: entry.exposed != entry.own)
    }
    var prefixes = NameTable(capacity: catalogue.entries(.resources).count * 2)
    var lengths: Set<Int> = []
    for entry in catalogue.entries(.resources) {
      // A listed resource is a prefix of what lies below it.
      var own = entry.own
      while own.last == 0x2F { own.removeLast() }
      guard own.count <= Self.longestPrefix else { continue }
      prefixes.insert(own, place: entry.upstream)
      lengths.insert(own.count)
    }
    listedPrefixes = prefixes
    prefixLengths = lengths.sorted(by: >)
  }

  /// Bytes of the longest listed resource that owns what lies below it: each length there is costs a look-up.
  private static let longestPrefix = 1024
  /// What all comparisons of one URI with templates may cost, in pieces looked at: some milliseconds.
  private static let comparisons = 1 << 20

  private static func table(_ entries: [CatalogueEntry]) -> NameTable {
    var table = NameTable(capacity: entries.count * 2)
    for (place, entry) in entries.enumerated() {
      table.insert(entry.exposed, scope: 0, place: place)
      table.insert(entry.own, scope: entry.upstream + 1, place: place)
    }
    return table
  }

  /// The string token by which the upstream knows a listed entry.
  public func ownToken(_ kind: ListKind, _ entry: Int) -> [UInt8] { catalogue.entries(kind)[entry].ownToken }

  public func entry(_ kind: ListKind, _ place: Int) -> CatalogueEntry { catalogue.entries(kind)[place] }

  /// Whether results of a listed tool may be other than objects.
  public func hasNonObjectOutput(tool place: Int) -> Bool { toolPlaces[place].hasNonObjectOutput }

  /// Whether a listed tool says of itself that a call of it may be carried out twice.
  public func isRepeatable(tool place: Int) -> Bool { toolPlaces[place].isRepeatable }

  /// What tells a listed tool from the others of its upstream, in this catalogue and in others; never 0.
  public func key(ofTool place: Int) -> UInt64 { toolPlaces[place].key }

  /// What an upstream calls its tool of that key, for people: it is looked for.
  public func name(ofTool key: UInt64, upstream: Int) -> String? {
    let place = toolPlaces.firstIndex { $0.key == key && Int($0.upstream) == upstream }
    return place.map { String(decoding: catalogue.entries(.tools)[$0].own, as: UTF8.self) }
  }

  /// The parameters of a listed tool that are mirrored in headers.
  public func parameters(ofTool place: Int) -> [MirroredParameter] { toolParameters[place] }

  // MARK: Tools and prompts

  /// The route of a tool or prompt by its unescaped name.
  public func route(_ kind: ListKind, named name: RawSpan, view: CatalogueView) -> Result<Route, GatewayError> {
    let isTool = kind == .tools
    if case .only(let number) = view {
      guard let upstream = catalogue.place(ofUpstream: number) else { return .failure(GatewayError(.notFound)) }
      let place = isTool ? tools.find(name, scope: upstream + 1) : prompts.find(name, scope: upstream + 1)
      return .success(Route(upstream: upstream, entry: place))
    }
    if let place = isTool ? tools.find(name) : prompts.find(name) {
      return .success(isTool ? toolPlaces[place].route(place) : promptPlaces[place].route(place))
    }
    if catalogue.prefixes, let upstream = ExposedName.owner(of: name, among: aliases) {
      let length = aliases[upstream].count + ExposedName.separator.utf8CodeUnitCount
      return .success(Route(upstream: upstream, rename: .cut(Slice(offset: 0, length: length))))
    }
    if aliases.count == 1 { return .success(Route(upstream: 0)) }
    let kind: GatewayError.Kind = isTool ? .unknownTool : .unknownPrompt
    return .failure(GatewayError(kind, message: GatewayError(kind).phrase + ": " + name.text))
  }

  // MARK: Resources

  /// The route of a resource by its unescaped URI: by the lists, then by the first server in the configuration whose
  /// template takes it, by the longest listed prefix, by what results have linked to, and at last to the only server that
  /// has resources. What a server says in results comes behind what others are configured and listed for.
  /// - Parameter learned: what results have linked to, as the caller has been shown; asked for only where it counts.
  public func route(
    resource uri: RawSpan, view: CatalogueView, learned: @autoclosure () -> LearnedLinks? = nil
  ) -> Result<Route, GatewayError> {
    if case .only(let number) = view {
      guard let upstream = catalogue.place(ofUpstream: number) else { return .failure(GatewayError(.notFound)) }
      return .success(Route(upstream: upstream, entry: resources.find(uri, scope: upstream + 1)))
    }
    if let place = resources.find(uri) {
      return .success(resourcePlaces[place].route(place))
    }
    if let route = markedRoute(uri) { return .success(route) }
    if let upstream = formalOwner(of: uri) { return .success(Route(upstream: upstream)) }
    if let learned = learned(),
      let upstream = catalogue.upstreams.firstIndex(where: { learned.has(uri, upstream: $0.number) })
    {
      return .success(Route(upstream: upstream))
    }
    if resourceServers.count == 1 { return .success(Route(upstream: resourceServers[0])) }
    var escaped = ByteBuffer()
    escaped.append(escaped: uri)
    return .failure(
      GatewayError(
        .unknownResource,
        message: "Resource not found: no server is known to own it; ask one server for it at /mcp/{alias}",
        detail: .uri(escaped.bytes.array)))
  }

  /// The route of a completion's reference to a resource, which names a template or a URI.
  public func route(
    template uri: RawSpan, view: CatalogueView, learned: @autoclosure () -> LearnedLinks? = nil
  ) -> Result<Route, GatewayError> {
    if case .only(let number) = view {
      guard let upstream = catalogue.place(ofUpstream: number) else { return .failure(GatewayError(.notFound)) }
      return .success(Route(upstream: upstream))
    }
    if let place = templates.find(uri) {
      let entry = catalogue.entries(.templates)[place]
      // A marked template is listed under another text than its server knows.
      if entry.own != entry.exposed, let route = markedRoute(uri) { return .success(route) }
      return .success(Route(upstream: entry.upstream))
    }
    return route(resource: uri, view: view, learned: learned())
  }

  /// Whose a resource is that an upstream speaks of without being asked, by the upstream's own URI for it. The same lists,
  /// templates and prefixes decide as for a read; what results have linked to does not.
  public func claim(of uri: RawSpan, by number: Int) -> ResourceClaim {
    guard let upstream = catalogue.place(ofUpstream: number) else { return .anothers }
    if let place = resources.find(uri, scope: upstream + 1) {
      return .own(exposed: catalogue.entries(.resources)[place].exposed)
    }
    guard resources.find(uri) == nil, ResourceTag.alias(in: uri) == nil else { return .anothers }
    guard let owner = formalOwner(of: uri) else {
      return resourceServers == [upstream] ? .own(exposed: uri.array) : .nobodys
    }
    if owner != upstream {
      var budget = Self.comparisons
      // Clients know what a marked template makes under the same mark.
      let isMarked = patterns.contains { pattern in
        pattern.isMarked && pattern.upstream == upstream && pattern.template.matches(uri, budget: &budget)
      }
      guard isMarked else { return .anothers }
      var marked = ByteBuffer(capacity: uri.byteCount + 64)
      ResourceTag.append(uri, alias: catalogue.upstreams[upstream].alias, to: &marked)
      return .own(exposed: marked.bytes.array)
    }
    return .own(exposed: uri.array)
  }

  private func markedRoute(_ uri: RawSpan) -> Route? {
    guard let named = ResourceTag.alias(in: uri) else { return nil }
    for (upstream, alias) in aliases.enumerated() where uri[named].equals(alias.rawBytes) {
      guard let range = ResourceTag.range(in: uri, alias: alias.rawBytes) else { continue }
      return Route(upstream: upstream, rename: .cut(range))
    }
    return nil
  }

  /// Whose an unlisted URI is by its form alone.
  private func formalOwner(of uri: RawSpan) -> Int? {
    guard uri.byteCount <= URITemplate.longestURI else { return nil }
    return firstPattern(uri) ?? listedPrefix(of: uri)
  }

  private func firstPattern(_ uri: RawSpan) -> Int? {
    var budget = Self.comparisons
    // They stand in the order of the configuration.
    return patterns.first { !$0.isMarked && $0.template.matches(uri, budget: &budget) }?.upstream
  }

  private func listedPrefix(of uri: RawSpan) -> Int? {
    for length in prefixLengths where length < uri.byteCount && uri[byte: length] == 0x2F {
      if let upstream = listedPrefixes.find(uri.extracting(0..<length)) { return upstream }
    }
    return nil
  }
}
