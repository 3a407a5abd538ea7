import Upstream
import Wire

/// When a name is looked up, and what is made of the answers. A value without I/O; times in milliseconds.
///
/// The system's resolver does not tell how long an answer holds: a name is looked up every 30 s, and within a second when
/// something there does not answer. An answer that brings nothing changes nothing.
struct NameState: Sendable {
  enum News: Equatable {
    case none
    /// It leads to these, which are others than before; with how many more there are that are not used.
    case moved([String], ignored: Int)
    /// The first look-up in a row that failed.
    case failed(String)
    /// One has come to something again, if only to the same.
    case recovered
  }

  /// Addresses of a name that are used.
  static let most = 64
  /// Between look-ups, give or take a tenth, and between two that something asks for.
  static let interval: UInt64 = 30_000
  static let shortest: UInt64 = 1000

  /// As they came, the older ones first.
  private(set) var addresses: [String] = []
  /// The first look-up is over, well or not.
  private(set) var isSettled = false
  private var isUnderWay = false
  private var nextLookup: UInt64 = 0
  private var began: UInt64 = 0
  /// In a row.
  private var failures: UInt32 = 0
  /// Something has asked since the look-up under way began.
  private var isUrgent = false
  private var random: SplitMix

  init(seed: UInt64) { random = SplitMix(state: seed) }

  /// When `tick` has something to do; `.max`: not before an answer has come.
  var nextTick: UInt64 { isUnderWay ? .max : nextLookup }

  /// True if it is to be looked up now: `answered` says what came of that.
  mutating func tick(now: UInt64) -> Bool {
    guard now >= nextTick else { return false }
    isUnderWay = true
    isUrgent = false
    began = now
    return true
  }

  /// What was found there does not answer, or a reload asks for another look.
  mutating func urge(now: UInt64) {
    isUrgent = true
    if isSettled { nextLookup = min(nextLookup, max(now, began + Self.shortest)) }
  }

  mutating func found(_ found: [String], now: UInt64) -> News {
    guard !found.isEmpty else { return failed("it has no address", now: now) }
    let wasFailing = failures > 0
    failures = 0
    let spread = Self.interval / 10
    ended(now: now, pause: Self.interval - spread + UInt64.random(in: 0...2 * spread, using: &random))
    // Those that are known stay, in whatever order they come: of too many not each time others are used.
    let all = Set(found)
    var next = addresses.filter(all.contains)
    for address in found where next.count < Self.most && !next.contains(address) { next.append(address) }
    guard next != addresses else { return wasFailing ? .recovered : .none }
    addresses = next
    return .moved(next, ignored: all.count - next.count)
  }

  mutating func failed(_ why: String, now: UInt64) -> News {
    if failures < .max { failures += 1 }
    ended(now: now, pause: Backoff.delay(after: failures, within: Self.shortest...Self.interval))
    return failures == 1 ? .failed(why) : .none
  }

  private mutating func ended(now: UInt64, pause: UInt64) {
    isUnderWay = false
    isSettled = true
    nextLookup = isUrgent ? max(now, began + Self.shortest) : now + pause
  }
}
