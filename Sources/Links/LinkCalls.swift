import Clusters
import MCP
import Workers

/// The calls that are on their way over one link, and whose they are: for what a server says without a sign of the call
/// that it belongs to.
public struct LinkCalls {
  /// Whose a call is.
  public enum Caller: Sendable {
    /// The gateway's own.
    case gateway
    case session(SessionID, Principal)
    /// A modern client's, which is a client of its own for each call, with the log level that it asked for.
    case modern(LogLevel?, Principal)
  }

  /// For whom such a message is.
  enum Audience: Equatable {
    /// A call of each client that it may concern.
    case calls([RequestID])
    /// No client has a call on its way: it concerns no client more than another.
    case unclaimed
    /// Clients that are not the same principal have used the link, and it could be of what either did.
    case nobody
  }

  private var callers: [RequestID: Caller] = [:]
  /// Those that are clients' calls.
  private(set) var ofClients = 0
  /// Whose calls were the first on the link.
  private var principal: Principal?
  /// There were another's too. A server may speak of a call when it has ended, so this never passes.
  private var isMixed = false

  var ids: some Sequence<RequestID> { callers.keys }

  func contains(_ call: RequestID) -> Bool { callers[call] != nil }

  mutating func began(_ call: RequestID, of caller: Caller) {
    callers[call] = caller
    switch caller {
    case .gateway: break
    case .session(_, let own), .modern(_, let own):
      ofClients += 1
      isMixed = isMixed || principal.map { $0 != own } ?? false
      principal = principal ?? own
    }
  }

  /// False if it was none of these.
  @discardableResult
  mutating func ended(_ call: RequestID) -> Bool {
    guard let caller = callers.removeValue(forKey: call) else { return false }
    if case .gateway = caller {} else { ofClients -= 1 }
    return true
  }

  var isEmpty: Bool { callers.isEmpty }

  mutating func removeAll() {
    callers = [:]
    ofClients = 0
  }

  /// A call of the only client that has calls in flight; nil if there are none or several clients.
  var onlyClients: RequestID? {
    guard case .calls(let calls) = audience(), calls.count == 1 else { return nil }
    return calls[0]
  }

  /// Whether more than one call of clients is on its way.
  var areSeveral: Bool {
    callers.values.lazy.filter { if case .gateway = $0 { false } else { true } }.prefix(2).count > 1
  }

  /// A call that this session has in flight.
  func anyCall(of session: SessionID) -> RequestID? {
    callers.first { if case .session(session, _) = $0.value { true } else { false } }?.key
  }

  /// Whether a client that could be asked something has calls in flight.
  var hasSessions: Bool { callers.values.contains { if case .session = $0 { true } else { false } } }

  /// For whom a message is. It never reaches clients of two principals, since it is one's alone.
  /// - Parameters:
  ///   - level: that of a log message, of which modern clients hear only if they asked to.
  ///   - isModern: the server is modern too: what it logs though none of these asked for it they hear as they would from the
  ///     server itself.
  func audience(ofLog level: LogLevel? = nil, by isModern: Bool = false) -> Audience {
    guard !isMixed else { return .nobody }
    var sessions: [SessionID: RequestID] = [:]
    var calls: [RequestID] = []
    var unasked: [RequestID] = []
    var isClaimed = false
    for (call, caller) in callers {
      switch caller {
      case .gateway: continue
      case .session(let session, _): sessions[session] = call
      case .modern(let wanted, _):
        if let level, wanted.map({ $0 > level }) ?? true { unasked.append(call) } else { calls.append(call) }
      }
      isClaimed = true
    }
    if isModern, calls.isEmpty { calls = unasked }
    return isClaimed ? .calls(calls + sessions.values) : .unclaimed
  }
}
