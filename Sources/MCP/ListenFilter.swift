import Wire

/// What a `subscriptions/listen` wants to hear of (MCP 2026-07-28, Basic/Patterns, Subscriptions).
public struct ListenFilter: Sendable, Equatable {
  public var kinds: ListKinds
  /// The URIs whose updates are wanted, unescaped, each once. Of more than `mostResources` only one more is read.
  public var resources: [[UInt8]]

  /// Resources that one listen may name, as many as SDK servers take.
  public static let mostResources = 1024

  public init(kinds: ListKinds, resources: [[UInt8]]) {
    self.kinds = kinds
    self.resources = resources
  }

  /// Reads `params.notifications`. Nil if it is not of the right shape.
  public init?(_ envelope: Envelope) {
    guard let object = envelope.value(.notifications), JSON.kind(of: object) == .object else { return nil }
    kinds = []
    resources = []
    var items = JSON.items(of: object)
    while let item = items.next() {
      let value = items.value(of: item)
      if items.key(of: item, is: "resourceSubscriptions") {
        guard let uris = Self.strings(value) else { return nil }
        resources = uris
        continue
      }
      let kind: ListKinds
      if items.key(of: item, is: "toolsListChanged") {
        kind = .tools
      } else if items.key(of: item, is: "promptsListChanged") {
        kind = .prompts
      } else if items.key(of: item, is: "resourcesListChanged") {
        kind = [.resources, .templates]
      } else {
        continue
      }
      guard let isWanted = JSON.boolean(value) else { return nil }
      if isWanted { kinds.formUnion(kind) }
    }
  }

  /// What of it a server with these capabilities can bring.
  public func honoured(by capabilities: ServerCapabilities) -> ListenFilter {
    var filter = self
    if !capabilities.contains(.toolsListChanged) { filter.kinds.remove(.tools) }
    if !capabilities.contains(.promptsListChanged) { filter.kinds.remove(.prompts) }
    if !capabilities.contains(.resourcesListChanged) { filter.kinds.subtract([.resources, .templates]) }
    if !capabilities.contains(.resourcesSubscribe) { filter.resources = [] }
    return filter
  }

  private static func strings(_ array: RawSpan) -> [[UInt8]]? {
    guard JSON.kind(of: array) == .array else { return nil }
    var strings: [[UInt8]] = []
    var seen = Set<[UInt8]>()
    var items = JSON.items(of: array)
    while strings.count <= mostResources, let item = items.next() {
      guard let text = JSON.bytes(items.value(of: item)) else { return nil }
      if seen.insert(text).inserted { strings.append(text) }
    }
    return strings
  }
}

extension ByteBuffer {
  /// The object that `notifications` holds in a listen and in its acknowledgement.
  public mutating func append(_ filter: ListenFilter) {
    append("{")
    var members = MemberWriter()
    if filter.kinds.contains(.tools) { members.next(&self, #""toolsListChanged":true"#) }
    if filter.kinds.contains(.prompts) { members.next(&self, #""promptsListChanged":true"#) }
    if filter.kinds.contains(.resources) { members.next(&self, #""resourcesListChanged":true"#) }
    if !filter.resources.isEmpty {
      members.next(&self, #""resourceSubscriptions":["#)
      var uris = MemberWriter()
      for uri in filter.resources {
        uris.separate(&self)
        append(quoted: uri.rawBytes)
      }
      append("]")
    }
    append("}")
  }
}
