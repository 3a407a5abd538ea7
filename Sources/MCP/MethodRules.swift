import Wire

/// What the revisions of MCP say of each method (their schemas: `ClientRequest`, `ServerRequest` and the like).
extension Method {
  public enum Direction: Sendable { case clientToServer, serverToClient, both }

  /// Which parameter the `Mcp-Name` header mirrors in the modern era.
  public enum MirroredName: Sendable { case name, uri, taskID }

  public var isNotification: Bool { rawValue >= Method.notifyInitialized.rawValue }

  public var direction: Direction {
    switch self {
    case .none, .other, .ping, .notifyCancelled, .notifyProgress, .notifyTasksStatus: .both
    case .tasksGet, .tasksCancel, .tasksResult, .tasksList: .both
    case .samplingCreateMessage, .elicitationCreate, .rootsList: .serverToClient
    case .notifyMessage, .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged,
      .notifyResourcesUpdated, .notifySubscriptionsAcknowledged, .notifyElicitationComplete, .notifyTasks:
      .serverToClient
    default: .clientToServer
    }
  }

  /// Whether a client may send it as a request in that revision. The task methods are left out: the gateway offers
  /// tasks in no revision. Of a method that no revision has its server knows whether it is there.
  public func isRequest(in revision: Revision) -> Bool {
    switch self {
    case .toolsList, .toolsCall, .resourcesList, .resourcesTemplatesList, .resourcesRead, .promptsList, .promptsGet,
      .completionComplete, .other:
      true
    case .initialize, .ping, .resourcesSubscribe, .resourcesUnsubscribe, .loggingSetLevel: revision.era == .legacy
    case .serverDiscover, .subscriptionsListen: revision.era == .modern
    default: false
    }
  }

  /// Whether a server may send it as a request in that revision.
  public func isServerRequest(in revision: Revision) -> Bool {
    guard revision.era == .legacy else { return false }
    switch self {
    case .ping, .samplingCreateMessage, .rootsList, .other: return true
    case .elicitationCreate: return revision.hasElicitation
    default: return false
    }
  }

  /// Whether its answer may ask for input (MCP 2026-07-28, Basic/Patterns, Multi Round-Trip Requests).
  public var allowsInputRequired: Bool {
    switch self {
    case .toolsCall, .promptsGet, .resourcesRead: true
    default: false
    }
  }

  /// Whether its complete result carries `ttlMs` and `cacheScope` in the modern era (MCP 2026-07-28, Server/Utilities,
  /// Caching).
  public var isCacheable: Bool {
    switch self {
    case .serverDiscover, .toolsList, .promptsList, .resourcesList, .resourcesTemplatesList, .resourcesRead: true
    default: false
    }
  }

  public var mirroredName: MirroredName? {
    switch self {
    case .toolsCall, .promptsGet: .name
    case .resourcesRead: .uri
    case .tasksGet, .tasksUpdate, .tasksCancel: .taskID
    default: nil
    }
  }

  /// The server capability without which the method does not exist.
  public var required: ServerCapabilities {
    switch self {
    case .toolsList, .toolsCall: .tools
    case .promptsList, .promptsGet: .prompts
    case .resourcesList, .resourcesTemplatesList, .resourcesRead: .resources
    case .resourcesSubscribe, .resourcesUnsubscribe: .resourcesSubscribe
    case .completionComplete: .completions
    case .loggingSetLevel: .logging
    default: []
    }
  }
}

/// The levels of syslog, least urgent first.
public enum LogLevel: UInt8, Sendable, CaseIterable, Comparable {
  case debug, info, notice, warning, error, critical, alert, emergency

  public var label: StaticString {
    switch self {
    case .debug: "debug"
    case .info: "info"
    case .notice: "notice"
    case .warning: "warning"
    case .error: "error"
    case .critical: "critical"
    case .alert: "alert"
    case .emergency: "emergency"
    }
  }

  /// The level that a JSON string token names.
  public init?(token: RawSpan?) {
    guard let token, let contents = JSON.contents(of: token) else { return nil }
    for level in Self.allCases where JSON.equals(contents, level.label.bytes) {
      self = level
      return
    }
    return nil
  }

  public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}
