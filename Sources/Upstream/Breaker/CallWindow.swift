/// How many calls ended within the last so many milliseconds, and how many of them failed: tenths of the window, the
/// oldest of which is forgotten as a whole.
struct CallWindow {
  private struct Tenth {
    var calls: UInt32 = 0
    var failures: UInt32 = 0
  }

  private static let tenths = 10

  private let width: UInt64
  private var ring = InlineArray<10, Tenth>(repeating: Tenth())
  /// The tenth that the clock stands in, counted from its beginning.
  private var newest: UInt64 = 0
  private(set) var calls: UInt32 = 0
  private(set) var failures: UInt32 = 0

  /// - Parameter milliseconds: of the window.
  init(_ milliseconds: UInt64) { width = max(1, milliseconds / UInt64(Self.tenths)) }

  mutating func add(calls: UInt32 = 1, failures: UInt32 = 0, now: UInt64) {
    advance(to: now)
    let index = Int(newest % UInt64(Self.tenths))
    // Sums stay far from their end: no window has 2^31 calls.
    let calls = min(calls, 1 << 16)
    ring[index].calls += calls
    ring[index].failures += failures
    self.calls += calls
    self.failures += failures
  }

  /// Forgets what lies too far back. A clock that another loop reads may be a little behind.
  mutating func advance(to now: UInt64) {
    let current = now / width
    guard current > newest else { return }
    if current - newest >= UInt64(Self.tenths) {
      clear()
    } else {
      for tenth in newest + 1...current { drop(Int(tenth % UInt64(Self.tenths))) }
    }
    newest = current
  }

  private mutating func drop(_ index: Int) {
    calls -= ring[index].calls
    failures -= ring[index].failures
    ring[index] = Tenth()
  }

  mutating func clear() {
    ring = InlineArray(repeating: Tenth())
    calls = 0
    failures = 0
  }
}
