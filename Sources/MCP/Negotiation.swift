import Wire

/// Who the gateway says it is, on either side.
public struct Identity: Sendable, Equatable {
  public var name: String
  public var version: String
  public var title: String?

  public init(name: String, version: String, title: String? = nil) {
    self.name = name
    self.version = version
    self.title = title
  }
}

public enum Negotiation {
  /// The revision that answers an `initialize`: the one asked for if it is a legacy one, else the newest legacy one.
  /// `requested` is a JSON string token.
  public static func answer(to requested: RawSpan) -> Revision {
    guard let revision = Revision(token: requested), revision.era == .legacy else { return .newestLegacy }
    return revision
  }

  /// The most that merged instructions may come to, in bytes.
  public static let instructionsLimit = 16384

  /// The most that the merged `extensions` of several servers may come to, and their `experimental` as well, in bytes.
  public static let extensionsLimit = 65536

  /// The most that one server may say of itself in each respect, in bytes: all clients are told it.
  public static let statementLimit = 65536
}

/// What one upstream offers, as it said in answer to `initialize` or `server/discover`.
public struct ServerOffer: Sendable, Equatable {
  public var alias: String
  public var capabilities: ServerCapabilities
  /// Raw JSON objects; nil when absent or longer than `Negotiation.statementLimit`.
  public var extensions: [UInt8]?
  public var experimental: [UInt8]?
  public var serverInfo: [UInt8]?
  /// The raw JSON string token, cut to that length.
  public var instructions: [UInt8]?

  public init(alias: String, capabilities: ServerCapabilities) {
    self.alias = alias
    self.capabilities = capabilities
  }

  /// Reads an InitializeResult or a DiscoverResult, given the revision that is spoken from now on.
  public init(alias: String, answer envelope: Envelope, revision: Revision) {
    self.alias = alias
    capabilities = []
    if let object = envelope.value(.capabilities as ResultKey) {
      capabilities = ServerCapabilities(parsing: object, revision: revision)
      if let value = JSON.find("extensions", in: object) { extensions = Self.statement(value) }
      if let value = JSON.find("experimental", in: object) { experimental = Self.statement(value) }
    }
    if let info = envelope.value(.serverInfo as MetaKey), JSON.kind(of: info) == .object {
      serverInfo = Self.statement(info)
    } else if let info = envelope.value(.serverInfo as ResultKey) {
      serverInfo = Self.statement(info)
    }
    if let text = envelope.value(.instructions as ResultKey), JSON.kind(of: text) == .string {
      instructions = Self.cut(text)
    }
  }

  private static func statement(_ token: RawSpan) -> [UInt8]? {
    JSON.kind(of: token) == .object && token.byteCount <= Negotiation.statementLimit ? token.array : nil
  }

  /// A string token of at most the limit, cut between characters.
  private static func cut(_ token: RawSpan) -> [UInt8]? {
    guard token.byteCount > Negotiation.statementLimit else { return token.array }
    guard let text = JSON.string(token) else { return nil }
    var cut = ByteBuffer(capacity: Negotiation.statementLimit)
    cut.append(quoted: text.cut(to: Negotiation.statementLimit))
    return cut.bytes.array
  }
}

/// What the gateway itself offers on one of its paths: the union of the upstreams behind it.
public struct Offer: Sendable, Equatable {
  public var capabilities: ServerCapabilities
  public var identity: Identity
  /// Raw members of the merged `extensions` and `experimental` objects, and the instructions as text.
  public private(set) var extensions: [UInt8]
  public private(set) var experimental: [UInt8]
  public private(set) var instructions: String

  /// Merges in the order of configuration. List changes are always offered where there is a list, because upstreams
  /// come and go.
  public init(merging offers: [ServerOffer], identity: Identity) {
    self.identity = identity
    var capabilities: ServerCapabilities = []
    for offer in offers { capabilities.formUnion(offer.capabilities) }
    if capabilities.contains(.tools) { capabilities.insert(.toolsListChanged) }
    if capabilities.contains(.prompts) { capabilities.insert(.promptsListChanged) }
    if capabilities.contains(.resources) { capabilities.insert(.resourcesListChanged) }
    capabilities.remove(.tasks)
    self.capabilities = capabilities
    extensions = Self.union(Self.fair(offers.map(\.extensions)), except: "io.modelcontextprotocol/tasks")
    experimental = Self.union(Self.fair(offers.map(\.experimental)), except: "tasks")
    instructions = Self.merge(offers)
  }

  /// The objects of several servers without those that are larger than their share: what one says of itself goes to the
  /// clients of all.
  private static func fair(_ objects: [[UInt8]?]) -> [[UInt8]] {
    let found = objects.compactMap { $0 }
    guard objects.count > 1 else { return found }
    let shares = MergedInstructions.shares(of: Negotiation.extensionsLimit, among: found.map(\.count))
    return zip(found, shares).filter { $0.count <= $1 }.map(\.0)
  }

  /// The members of several objects, the first of each name.
  private static func union(_ objects: [[UInt8]], except excluded: StaticString) -> [UInt8] {
    var merged = ByteBuffer()
    var members = MemberWriter()
    var seen: Set<[UInt8]> = []
    for object in objects {
      let bytes = object.rawBytes
      var items = JSON.items(of: bytes)
      while let item = items.next() {
        guard !items.key(of: item, is: excluded), seen.insert(bytes[item.key].array).inserted else { continue }
        members.separate(&merged)
        merged.append(bytes[item.extent])
      }
    }
    return merged.bytes.array
  }

  /// One server's instructions as they are; those of several under headings, in all at most the limit.
  private static func merge(_ offers: [ServerOffer]) -> String {
    let texts = offers.compactMap { offer -> (alias: String, text: String)? in
      guard let token = offer.instructions, let text = JSON.string(token.rawBytes), !text.isEmpty else { return nil }
      return (offer.alias, text)
    }
    guard offers.count > 1 else { return texts.first?.text ?? "" }
    return MergedInstructions.merge(texts, limit: Negotiation.instructionsLimit)
  }
}

extension ByteBuffer {
  /// An Implementation object.
  public mutating func append(_ identity: Identity) {
    append(#"{"name":"#)
    append(quoted: identity.name)
    append(#","version":"#)
    append(quoted: identity.version)
    if let title = identity.title {
      append(#","title":"#)
      append(quoted: title)
    }
    append("}")
  }

  /// A ServerCapabilities object as that revision writes it.
  public mutating func append(capabilities offer: Offer, for revision: Revision) {
    let set = offer.capabilities
    append("{")
    var members = MemberWriter()
    if set.contains(.tools) { members.next(&self, #""tools":{"listChanged":true}"#) }
    if set.contains(.prompts) { members.next(&self, #""prompts":{"listChanged":true}"#) }
    if set.contains(.resources) {
      members.next(
        &self,
        set.contains(.resourcesSubscribe)
          ? #""resources":{"subscribe":true,"listChanged":true}"# : #""resources":{"listChanged":true}"#)
    }
    if set.contains(.logging) { members.next(&self, #""logging":{}"#) }
    if set.contains(.completions), revision >= .r20250326 { members.next(&self, #""completions":{}"#) }
    if !offer.extensions.isEmpty {
      members.next(&self, #""extensions":{"#)
      append(offer.extensions)
      append("}")
    }
    if !offer.experimental.isEmpty {
      members.next(&self, #""experimental":{"#)
      append(offer.experimental)
      append("}")
    }
    append("}")
  }

  /// An InitializeResult.
  public mutating func append(initializeResult offer: Offer, revision: Revision) {
    append(#"{"protocolVersion":""#)
    append(revision.label)
    append(#"","capabilities":"#)
    append(capabilities: offer, for: revision)
    append(#","serverInfo":"#)
    append(offer.identity)
    append(instructions: offer)
    append("}")
  }

  /// A DiscoverResult.
  public mutating func append(discoverResult offer: Offer, ttlMilliseconds: Int = 0, isPublic: Bool = false) {
    append(#"{"resultType":"complete","supportedVersions":"#)
    appendServedVersions()
    append(#","capabilities":"#)
    append(capabilities: offer, for: .r20260728)
    append(instructions: offer)
    append(#","ttlMs":"#)
    append(decimal: ttlMilliseconds)
    append(isPublic ? #","cacheScope":"public""# : #","cacheScope":"private""#)
    append(#","_meta":{"io.modelcontextprotocol/serverInfo":"#)
    append(offer.identity)
    append("}}")
  }

  private mutating func append(instructions offer: Offer) {
    guard !offer.instructions.isEmpty else { return }
    append(#","instructions":"#)
    append(quoted: offer.instructions)
  }

  /// The params of the `initialize` that the gateway sends to a legacy upstream.
  public mutating func append(
    initializeParams identity: Identity, capabilities: ClientCapabilities, offering revision: Revision = .newestLegacy
  ) {
    append(#"{"protocolVersion":""#)
    append(revision.label)
    append(#"","capabilities":"#)
    append(capabilities, for: revision)
    append(#","clientInfo":"#)
    append(identity)
    append("}")
  }
}
