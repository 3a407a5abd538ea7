import Wire

/// What a client said it can do (schema: `ClientCapabilities`), as bits.
public struct ClientCapabilities: OptionSet, Sendable, Hashable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// None. With this and the next a call asks no witness table of another module, as it would for `[]`: a thousand
  /// instructions.
  public init() { rawValue = 0 }
  public var isEmpty: Bool { rawValue == 0 }

  public static let roots = ClientCapabilities(rawValue: 1 << 0)
  public static let rootsListChanged = ClientCapabilities(rawValue: 1 << 1)
  public static let sampling = ClientCapabilities(rawValue: 1 << 2)
  public static let samplingContext = ClientCapabilities(rawValue: 1 << 3)
  public static let samplingTools = ClientCapabilities(rawValue: 1 << 4)
  public static let elicitationForm = ClientCapabilities(rawValue: 1 << 5)
  public static let elicitationURL = ClientCapabilities(rawValue: 1 << 6)
  public static let tasks = ClientCapabilities(rawValue: 1 << 7)
  public static let extensions = ClientCapabilities(rawValue: 1 << 8)
  public static let experimental = ClientCapabilities(rawValue: 1 << 9)

  /// Everything that the gateway can relay within the legacy era: what it declares on a session that all share.
  public static let relayable: ClientCapabilities = [
    .roots, .rootsListChanged, .sampling, .samplingContext, .samplingTools, .elicitationForm, .elicitationURL,
  ]

  /// What servers ask clients for.
  public static let askable: ClientCapabilities = [
    .roots, .sampling, .samplingTools, .elicitationForm, .elicitationURL,
  ]

  /// The set as an error names what a client lacks: with the capabilities that those named belong to.
  public var required: ClientCapabilities { contains(.samplingTools) ? union(.sampling) : self }

  /// Reads a ClientCapabilities object; empty for anything else.
  public init(parsing object: RawSpan) {
    var set: ClientCapabilities = []
    if object.byteCount <= 2 {
      self = set
      return
    }
    if let roots = JSON.find("roots", in: object), JSON.kind(of: roots) == .object {
      set.insert(.roots)
      if Self.isTrue("listChanged", in: roots) { set.insert(.rootsListChanged) }
    }
    if let sampling = JSON.find("sampling", in: object), JSON.kind(of: sampling) == .object {
      set.insert(.sampling)
      if Self.isObject("context", in: sampling) { set.insert(.samplingContext) }
      if Self.isObject("tools", in: sampling) { set.insert(.samplingTools) }
    }
    if let elicitation = JSON.find("elicitation", in: object), JSON.kind(of: elicitation) == .object {
      let url = Self.isObject("url", in: elicitation)
      if url { set.insert(.elicitationURL) }
      // `{}` means forms only, as the revision that knew nothing else wrote it.
      if Self.isObject("form", in: elicitation) || !url { set.insert(.elicitationForm) }
    }
    if Self.isObject("tasks", in: object) { set.insert(.tasks) }
    if Self.isObject("extensions", in: object) { set.insert(.extensions) }
    if Self.isObject("experimental", in: object) { set.insert(.experimental) }
    self = set
  }

  /// What of this may be said in a revision.
  public func restricted(to revision: Revision) -> ClientCapabilities {
    var set = self
    if !revision.hasElicitation { set.subtract([.elicitationForm, .elicitationURL]) }
    if !revision.hasURLElicitation { set.subtract([.elicitationURL, .samplingContext, .samplingTools]) }
    if revision.era == .modern { set.subtract([.rootsListChanged, .tasks]) }
    return set
  }

  private static func isObject(_ name: StaticString, in object: RawSpan) -> Bool {
    guard let value = JSON.find(name, in: object) else { return false }
    return JSON.kind(of: value) == .object
  }

  private static func isTrue(_ name: StaticString, in object: RawSpan) -> Bool {
    guard let value = JSON.find(name, in: object) else { return false }
    return JSON.boolean(value) == true
  }
}

/// What a server said it offers, as bits.
public struct ServerCapabilities: OptionSet, Sendable, Hashable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let tools = ServerCapabilities(rawValue: 1 << 0)
  public static let toolsListChanged = ServerCapabilities(rawValue: 1 << 1)
  public static let prompts = ServerCapabilities(rawValue: 1 << 2)
  public static let promptsListChanged = ServerCapabilities(rawValue: 1 << 3)
  public static let resources = ServerCapabilities(rawValue: 1 << 4)
  public static let resourcesSubscribe = ServerCapabilities(rawValue: 1 << 5)
  public static let resourcesListChanged = ServerCapabilities(rawValue: 1 << 6)
  public static let logging = ServerCapabilities(rawValue: 1 << 7)
  public static let completions = ServerCapabilities(rawValue: 1 << 8)
  public static let tasks = ServerCapabilities(rawValue: 1 << 9)
  public static let extensions = ServerCapabilities(rawValue: 1 << 10)
  public static let experimental = ServerCapabilities(rawValue: 1 << 11)

  /// What a server may turn out to offer of which nothing is known yet.
  public static let conceivable: ServerCapabilities = [
    .tools, .prompts, .resources, .resourcesSubscribe, .logging, .completions,
  ]

  /// Reads a ServerCapabilities object; empty for anything else.
  public init(parsing object: RawSpan) {
    var set: ServerCapabilities = []
    var items = JSON.items(of: object)
    while let item = items.next() {
      let value = items.value(of: item)
      guard JSON.kind(of: value) == .object else { continue }
      if items.key(of: item, is: "tools") {
        set.insert(.tools)
        if Self.isTrue("listChanged", in: value) { set.insert(.toolsListChanged) }
      } else if items.key(of: item, is: "prompts") {
        set.insert(.prompts)
        if Self.isTrue("listChanged", in: value) { set.insert(.promptsListChanged) }
      } else if items.key(of: item, is: "resources") {
        set.insert(.resources)
        if Self.isTrue("subscribe", in: value) { set.insert(.resourcesSubscribe) }
        if Self.isTrue("listChanged", in: value) { set.insert(.resourcesListChanged) }
      } else if items.key(of: item, is: "logging") {
        set.insert(.logging)
      } else if items.key(of: item, is: "completions") {
        set.insert(.completions)
      } else if items.key(of: item, is: "tasks") {
        set.insert(.tasks)
      } else if items.key(of: item, is: "extensions") {
        set.insert(.extensions)
      } else if items.key(of: item, is: "experimental") {
        set.insert(.experimental)
      }
    }
    self = set
  }

  /// `completions` has a capability of its own only from 2025-03-26: servers before that offer it unsaid.
  public init(parsing object: RawSpan, revision: Revision) {
    self.init(parsing: object)
    if revision == .r20241105 { insert(.completions) }
  }

  private static func isTrue(_ name: StaticString, in object: RawSpan) -> Bool {
    guard let value = JSON.find(name, in: object) else { return false }
    return JSON.boolean(value) == true
  }
}

extension ByteBuffer {
  /// A ClientCapabilities object as that revision writes it.
  public mutating func append(_ set: ClientCapabilities, for revision: Revision) {
    let set = set.restricted(to: revision)
    append("{")
    var members = MemberWriter()
    if set.contains(.roots) {
      members.next(&self, set.contains(.rootsListChanged) ? #""roots":{"listChanged":true}"# : #""roots":{}"#)
    }
    if set.contains(.sampling) {
      members.next(&self, #""sampling":{"#)
      var inner = MemberWriter()
      if set.contains(.samplingContext) { inner.next(&self, #""context":{}"#) }
      if set.contains(.samplingTools) { inner.next(&self, #""tools":{}"#) }
      append("}")
    }
    if !set.isDisjoint(with: [.elicitationForm, .elicitationURL]) {
      members.next(&self, #""elicitation":{"#)
      var inner = MemberWriter()
      // 2025-06-18 knows only the empty object.
      if revision.hasURLElicitation {
        if set.contains(.elicitationForm) { inner.next(&self, #""form":{}"#) }
        if set.contains(.elicitationURL) { inner.next(&self, #""url":{}"#) }
      }
      append("}")
    }
    append("}")
  }
}
