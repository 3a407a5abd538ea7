import Synchronization

/// Circuit breakers of the tools of one endpoint: one tool that fails shall not take the others with it. There is one
/// for each tool that has failed lately, and no more than a bound of them; while there is none a call reads one word
/// that nobody writes, and while there are some only the calls of tools with the same bit in it look further.
public final class ToolBreakers: Sendable {
  /// Tools that may have one.
  public static let most = 64

  private struct Entry {
    let tool: UInt64
    var failedAt: UInt64
    var state: CircuitBreakerState
  }

  private let policy: BreakerPolicy
  private let seed: UInt64
  /// A bit for each tool that has an entry.
  private let filter = Atomic<UInt64>(0)
  private let entries = Mutex<[Entry]>([])

  public init(_ policy: BreakerPolicy, seed: UInt64 = .random(in: .min ... .max)) {
    var policy = policy
    // What is not there has no tools.
    policy.restartGrace = 0
    self.policy = policy
    self.seed = seed
  }

  public var isEmpty: Bool { filter.load(ordering: .relaxed) == 0 }

  private static func bit(_ tool: UInt64) -> UInt64 { 1 << ((tool &* 0x9E37_79B9_7F4A_7C15) >> 58) }

  private func mayHave(_ tool: UInt64) -> Bool { filter.load(ordering: .relaxed) & Self.bit(tool) != 0 }

  // MARK: Calls

  /// Whether a tool may be called. What is admitted has to be told of by `ended`, or by `released`.
  /// - Parameter tool: what tells the tools of this endpoint apart.
  public func admit(_ tool: UInt64, now: UInt64) -> BreakerAdmission {
    let usual = BreakerAdmission.admitted(BreakerPass(begunAt: now, probe: 0))
    guard mayHave(tool) else { return usual }
    return entries.withLock { entries in
      guard let index = entries.firstIndex(where: { $0.tool == tool }) else { return usual }
      return entries[index].state.admit(now: now)
    }
  }

  /// A call of a tool has ended. What concerns the endpoint as a whole is not held against the tool.
  public func ended(_ tool: UInt64, _ pass: BreakerPass, _ outcome: CallOutcome, now: UInt64) -> BreakerChange {
    let isFailure = outcome.failure?.mayBeOfTool ?? false
    guard isFailure || mayHave(tool) else { return .none }
    return change { entries in
      guard let index = entries.firstIndex(where: { $0.tool == tool }) ?? (isFailure ? add(tool, &entries) : nil)
      else { return .none }
      if isFailure { entries[index].failedAt = now }
      let told = isFailure || outcome.failure == nil ? outcome : .withdrawn
      let change = entries[index].state.ended(pass, told, successes: told == .success ? 1 : 0, now: now)
      if entries[index].state.word.isQuiet { entries.remove(at: index) }
      return change
    }
  }

  /// A call was not made after all.
  public func released(_ tool: UInt64, _ pass: BreakerPass, now: UInt64) {
    if pass.isProbe { _ = ended(tool, pass, .withdrawn, now: now) }
  }

  /// All is forgotten, as an operator wants it.
  public func reset() { change { $0 = [] } }

  /// For people and metrics.
  public func phases(now: UInt64) -> [(tool: UInt64, phase: CircuitBreakerState.Phase)] {
    change { entries in
      for index in entries.indices { entries[index].state.tick(now: now) }
      entries.removeAll { $0.state.word.isQuiet }
      return entries.map { ($0.tool, $0.state.phase) }
    }
  }

  // MARK: The table

  /// Where the tool stands now; nil if all that have an entry are called less than they would be.
  private func add(_ tool: UInt64, _ entries: inout [Entry]) -> Int? {
    if entries.count >= Self.most {
      let closed = entries.indices.filter { entries[$0].state.phase == .closed }
      guard let oldest = closed.min(by: { entries[$0].failedAt < entries[$1].failedAt }) else { return nil }
      entries.remove(at: oldest)
    }
    entries.append(Entry(tool: tool, failedAt: 0, state: CircuitBreakerState(policy, seed: seed ^ tool)))
    return entries.count - 1
  }

  @inline(never)
  private func change<Result>(_ body: (inout [Entry]) -> Result) -> Result {
    entries.withLock { entries in
      let result = body(&entries)
      filter.store(entries.reduce(0) { $0 | Self.bit($1.tool) }, ordering: .relaxed)
      return result
    }
  }
}

extension CallOutcome.Failure {
  /// Whether it may lie in the tool that was called.
  var mayBeOfTool: Bool { self != .refused && self != .transport }
}
