import Upstream

/// Which endpoints of one cluster get no calls because they do worse than the others. A value without I/O.
///
/// One is out after so many failures in a row, or when far more of its calls fail than of the others'; longer each
/// time, and the more often it behaved between the shorter. Some always stay: no more than a share may be out, and
/// never the last that could be asked. One that comes back has a tenth of its share at first, and all of it in the end.
public struct OutlierDetector: Sendable {
  public enum Change: Equatable, Sendable {
    case ejected(Int, milliseconds: UInt64)
    case returned(Int)
  }

  private struct Entry {
    /// Whether it might be asked if it were not out: it is healthy, say.
    var isUsable = true
    /// 0: it is not out.
    var ejectedUntil: UInt64 = 0
    /// How often it was out, less how often it has behaved since.
    var times: UInt32 = 0
    /// When it came back, or came at all; nil: it was there from the beginning.
    var backSince: UInt64?
    var streak: UInt32 = 0
    var calls: UInt32 = 0
    var failures: UInt32 = 0

    var isEjected: Bool { ejectedUntil > 0 }
    var isAsked: Bool { isUsable && !isEjected }
  }

  public let policy: OutlierPolicy
  private var entries: [Entry]
  private var intervalEnds: UInt64

  public init(_ policy: OutlierPolicy, endpoints: Int, now: UInt64) {
    self.policy = policy
    entries = Array(repeating: Entry(), count: endpoints)
    intervalEnds = now + policy.interval
  }

  // MARK: Looking

  public func isEjected(_ endpoint: Int) -> Bool { entries[endpoint].isEjected }

  public var ejected: Int { entries.count { $0.isEjected } }

  /// How much of its usual share of calls an endpoint is to get, 0.1 to 1; 0 while it is out.
  public func share(of endpoint: Int, now: UInt64) -> Double {
    let entry = entries[endpoint]
    if entry.isEjected { return 0 }
    guard policy.slowStart > 0, let since = entry.backSince, now < since + policy.slowStart else { return 1 }
    return max(0.1, Double(now - min(since, now)) / Double(policy.slowStart))
  }

  /// When `tick` has something to do.
  public var nextTick: UInt64 {
    entries.reduce(intervalEnds) { $1.isEjected ? min($0, $1.ejectedUntil) : $0 }
  }

  // MARK: What happens

  /// A call has ended.
  public mutating func ended(_ endpoint: Int, _ outcome: CallOutcome, now: UInt64) -> Change? {
    switch outcome {
    case .neutral: return nil
    case .success:
      add(endpoint, successes: 1, failures: 0)
      entries[endpoint].streak = 0
      return nil
    case .failure:
      add(endpoint, successes: 0, failures: 1)
      entries[endpoint].streak &+= 1
      guard policy.threshold > 0, entries[endpoint].streak >= policy.threshold else { return nil }
      return eject(endpoint, now)
    }
  }

  /// So many calls have ended since that was last told, as a worker has counted them.
  public mutating func add(_ endpoint: Int, successes: UInt32, failures: UInt32) {
    // Far beyond what any comparison needs, and far from the end of the word.
    let most: UInt32 = 1 << 28
    entries[endpoint].calls = min(entries[endpoint].calls + min(successes, most) + min(failures, most), most)
    entries[endpoint].failures = min(entries[endpoint].failures + min(failures, most), entries[endpoint].calls)
  }

  /// Its circuit breaker has opened, which counts failures in a row of all workers.
  public mutating func opened(_ endpoint: Int, now: UInt64) -> Change? { eject(endpoint, now) }

  /// Whether it might be asked has changed for another reason than this. What was ill gets its calls little by little.
  public mutating func setUsable(_ endpoint: Int, _ isUsable: Bool, now: UInt64) -> [Change] {
    guard entries[endpoint].isUsable != isUsable else { return [] }
    entries[endpoint].isUsable = isUsable
    if isUsable { entries[endpoint].backSince = now }
    return releaseSurplus(now)
  }

  /// The cluster has other endpoints now.
  /// - Parameter former: for each of them, which of the former it is; nil for one that is new.
  public mutating func change(to former: [Int?], now: UInt64) -> [Change] {
    entries = former.map { former in
      if let former { return entries[former] }
      var entry = Entry()
      entry.backSince = now
      return entry
    }
    return releaseSurplus(now)
  }

  // MARK: Time

  public mutating func tick(now: UInt64) -> [Change] {
    var changes: [Change] = []
    for endpoint in entries.indices where entries[endpoint].isEjected && now >= entries[endpoint].ejectedUntil {
      changes.append(release(endpoint, now))
    }
    guard now >= intervalEnds else { return changes }
    intervalEnds = now + policy.interval
    while let worst = worst, let change = eject(worst, now) { changes.append(change) }
    for endpoint in entries.indices {
      entries[endpoint].calls = 0
      entries[endpoint].failures = 0
    }
    return changes
  }

  /// The endpoint of whose calls far more failed in this interval than of all others' together, and the most.
  private var worst: Int? {
    let compared = entries.indices.filter { entries[$0].isAsked && entries[$0].calls >= policy.minimumCalls }
    let calls = compared.reduce(0) { $0 + UInt64(entries[$1].calls) }
    let failures = compared.reduce(0) { $0 + UInt64(entries[$1].failures) }
    var worst: (endpoint: Int, share: UInt64)?
    for endpoint in compared {
      let entry = entries[endpoint]
      let others = (calls: calls - UInt64(entry.calls), failures: failures - UInt64(entry.failures))
      guard others.calls > 0 else { continue }
      let share = UInt64(entry.failures) * 100 / UInt64(entry.calls)
      let isOutlier = share >= others.failures * 100 / others.calls + OutlierPolicy.margin
      if isOutlier, share > worst?.share ?? 0 { worst = (endpoint, share) }
    }
    return worst?.endpoint
  }

  // MARK: Changes

  /// nil where it has to stay.
  private mutating func eject(_ endpoint: Int, _ now: UInt64) -> Change? {
    guard !entries[endpoint].isEjected, ejected < policy.mostEjected(of: entries.count),
      entries.indices.contains(where: { $0 != endpoint && entries[$0].isAsked })
    else { return nil }
    forgive(endpoint, now)
    entries[endpoint].times += 1
    let time = policy.ejectionTime(entries[endpoint].times)
    entries[endpoint].ejectedUntil = now + time
    return .ejected(endpoint, milliseconds: time)
  }

  /// Each time that it was in for as long as a first ejection takes makes the next one shorter.
  private mutating func forgive(_ endpoint: Int, _ now: UInt64) {
    guard let since = entries[endpoint].backSince, now > since else { return }
    let times = (now - since) / policy.ejectionTime
    entries[endpoint].times -= UInt32(min(UInt64(entries[endpoint].times), times))
  }

  private mutating func release(_ endpoint: Int, _ now: UInt64) -> Change {
    entries[endpoint].ejectedUntil = 0
    entries[endpoint].backSince = now
    entries[endpoint].streak = 0
    return .returned(endpoint)
  }

  /// More are out than may be, as there are fewer; or all others can't be asked, so that those that are out are better
  /// than none.
  private mutating func releaseSurplus(_ now: UInt64) -> [Change] {
    let isLast = !entries.contains { $0.isAsked }
    var changes: [Change] = []
    let order = entries.indices.filter { entries[$0].isEjected }
      .sorted { entries[$0].ejectedUntil < entries[$1].ejectedUntil }
    for endpoint in order where ejected > policy.mostEjected(of: entries.count) || isLast && entries[endpoint].isUsable
    {
      changes.append(release(endpoint, now))
    }
    return changes
  }
}
