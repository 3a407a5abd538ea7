import CWire

/// The methods that the protocol has had, in the order of `cwire_mcp_method`.
public enum Method: UInt8, Sendable, CaseIterable {
  /// The message has no method.
  case none
  /// A method that no revision has.
  case other
  case initialize, serverDiscover, ping
  case toolsList, toolsCall
  case resourcesList, resourcesTemplatesList, resourcesRead, resourcesSubscribe, resourcesUnsubscribe
  case subscriptionsListen
  case promptsList, promptsGet
  case completionComplete, loggingSetLevel
  case samplingCreateMessage, elicitationCreate, rootsList
  case tasksGet, tasksCancel, tasksResult, tasksList, tasksUpdate
  case notifyInitialized, notifyCancelled, notifyProgress, notifyMessage
  case notifyToolsListChanged, notifyPromptsListChanged, notifyResourcesListChanged, notifyResourcesUpdated
  case notifySubscriptionsAcknowledged, notifyRootsListChanged, notifyElicitationComplete, notifyTasksStatus
  case notifyTasks

  @inline(__always)
  init(_ code: cwire_mcp_method) { self = Method(rawValue: UInt8(truncatingIfNeeded: code.rawValue)) ?? .other }

  /// The name on the wire; empty for `none` and `other`.
  public var name: RawSpan {
    @_lifetime(immortal)
    get { unsafe RawSpan(cwire_mcp_method_name(cwire_mcp_method(rawValue: UInt32(rawValue)))) }
  }

  /// The method that a header or another unescaped name stands for.
  public init(named name: RawSpan) {
    unsafe self.init(name.withC { unsafe cwire_mcp_method_code($0) })
  }
}

/// The direct members of `params` that the gateway reads, in the order of `cwire_mcp_param`.
public enum Param: UInt8, Sendable, CaseIterable {
  case name, uri, cursor, ref, requestID, progressToken, progress, total, message, level, logger, data
  case protocolVersion, capabilities, clientInfo, arguments, argument, context, inputResponses, requestState
  case notifications, taskID, task, status, reason, elicitationID, mode, url, meta

  public var key: RawSpan {
    @_lifetime(immortal)
    get { unsafe RawSpan(cwire_mcp_param_name(cwire_mcp_param(rawValue: UInt32(rawValue)))) }
  }
}

/// The direct members of `_meta` that the gateway reads, in the order of `cwire_mcp_meta`.
public enum MetaKey: UInt8, Sendable, CaseIterable {
  case progressToken, protocolVersion, clientInfo, clientCapabilities, logLevel, subscriptionID, serverInfo
  case relatedTask, traceparent, tracestate, baggage

  public var key: RawSpan {
    @_lifetime(immortal)
    get { unsafe RawSpan(cwire_mcp_meta_name(cwire_mcp_meta(rawValue: UInt32(rawValue)))) }
  }
}

/// The direct members of `result` that the gateway reads, in the order of `cwire_mcp_result`.
public enum ResultKey: UInt8, Sendable, CaseIterable {
  case resultType, ttlMs, cacheScope, nextCursor, tools, resources, resourceTemplates, prompts, contents, content
  case structuredContent, isError, messages, completion, protocolVersion, supportedVersions, capabilities, serverInfo
  case instructions, inputRequests, requestState, task, taskID, tasks, status, action, roots, meta

  public var key: RawSpan {
    @_lifetime(immortal)
    get { unsafe RawSpan(cwire_mcp_result_name(cwire_mcp_result(rawValue: UInt32(rawValue)))) }
  }
}

/// The direct members of `error`, in the order of `cwire_mcp_error`.
public enum ErrorKey: UInt8, Sendable, CaseIterable {
  case code, message, data
}

/// A set of such members.
public struct KeySet<Key: RawRepresentable & Sendable>: Sendable, Equatable, Sequence, IteratorProtocol
where Key.RawValue == UInt8 {
  public var bits: UInt32

  public init() { bits = 0 }
  public init(_ keys: Key...) {
    bits = 0
    for key in keys { insert(key) }
  }

  public var isEmpty: Bool { bits == 0 }
  public mutating func insert(_ key: Key) { bits |= 1 << UInt32(key.rawValue) }
  public mutating func remove(_ key: Key) { bits &= ~(1 << UInt32(key.rawValue)) }
  public func contains(_ key: Key) -> Bool { bits >> UInt32(key.rawValue) & 1 != 0 }
  public func intersection(_ other: Self) -> Self {
    var both = self
    both.bits &= other.bits
    return both
  }

  /// Takes the lowest key out: a set is its own iterator.
  public mutating func next() -> Key? {
    guard bits != 0 else { return nil }
    let key = Key(rawValue: UInt8(bits.trailingZeroBitCount))
    bits &= bits - 1
    return key
  }

  public func union(_ other: Self) -> Self {
    var all = self
    all.bits |= other.bits
    return all
  }
}

public typealias ParamSet = KeySet<Param>
public typealias MetaSet = KeySet<MetaKey>
public typealias ResultSet = KeySet<ResultKey>
