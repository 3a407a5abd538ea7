import Wire

/// The four lists of a server.
public enum ListKind: UInt8, Sendable, CaseIterable {
  case tools, resources, templates, prompts

  public init?(_ method: Method) {
    switch method {
    case .toolsList: self = .tools
    case .resourcesList: self = .resources
    case .resourcesTemplatesList: self = .templates
    case .promptsList: self = .prompts
    default: return nil
    }
  }

  public var method: Method {
    switch self {
    case .tools: .toolsList
    case .resources: .resourcesList
    case .templates: .resourcesTemplatesList
    case .prompts: .promptsList
    }
  }

  /// The result's member that holds the list.
  public var member: ResultKey {
    switch self {
    case .tools: .tools
    case .resources: .resources
    case .templates: .resourceTemplates
    case .prompts: .prompts
    }
  }

  /// The notification that says it has changed: resources and templates share one.
  public var changed: Method {
    switch self {
    case .tools: .notifyToolsListChanged
    case .resources, .templates: .notifyResourcesListChanged
    case .prompts: .notifyPromptsListChanged
    }
  }
}

extension ListKind {
  /// Where the array of entries lies in a page, which is a result object.
  public func entries(in page: RawSpan) -> Slice? {
    let name: StaticString =
      switch self {
      case .tools: "tools"
      case .resources: "resources"
      case .templates: "resourceTemplates"
      case .prompts: "prompts"
      }
    guard let member = JSON.findMember(name, in: page), JSON.kind(of: page[member.value]) == .array else { return nil }
    return member.value
  }
}

/// A set of lists.
public struct ListKinds: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public init(_ kind: ListKind) { rawValue = 1 << kind.rawValue }

  public static let tools = ListKinds(.tools)
  public static let resources = ListKinds(.resources)
  public static let templates = ListKinds(.templates)
  public static let prompts = ListKinds(.prompts)

  /// The lists of whose changes a server with these capabilities tells.
  public init(announcedBy capabilities: ServerCapabilities) {
    self = []
    if capabilities.contains(.toolsListChanged) { insert(.tools) }
    if capabilities.contains(.promptsListChanged) { insert(.prompts) }
    if capabilities.contains(.resourcesListChanged) { formUnion([.resources, .templates]) }
  }
}
