import Synchronization

/// What one worker's pool has to tell another's.
public enum PoolLetter: Equatable, Sendable {
  /// A permit for a connection is the receiver's.
  case permit(to: Int)
  /// Somebody waits: an idle connection is to be given up. With a bit for each worker that has been asked.
  case giveUpIdle(to: Int, asked: UInt64)
}

/// `PermitState` as all workers share it. The lock is taken when a connection is begun or closed, and when a line of
/// callers begins or ends, not for a call that finds an idle connection. Whether others wait is in words beside it,
/// which a worker reads when it is about to use a connection again: they change only while connections are fewer than
/// callers.
public final class Permits: Sendable {
  private let state: Mutex<PermitState>
  private let waitingWord = Atomic<UInt64>(0)
  private let entitledWord = Atomic<UInt64>(0)
  private let excessWord = Atomic<Int>(0)
  /// A level of utilisation that nobody has heard of yet, and one more; else 0.
  private let newsWord = Atomic<UInt8>(0)

  public init(_ bounds: PoolBounds) { state = Mutex(PermitState(size: bounds.size, overflow: bounds.overflow)) }

  /// As it is at this moment.
  public var now: PermitState { state.withLock { $0 } }

  /// The level of utilisation, once for each that is new.
  public func takeNews() -> Utilisation? {
    guard newsWord.load(ordering: .relaxed) != 0 else { return nil }
    let word = newsWord.exchange(0, ordering: .relaxed)
    return word == 0 ? nil : Utilisation(rawValue: word - 1)
  }

  // MARK: For the pools of workers

  /// A bit for each worker that waits.
  @inline(__always)
  var waiting: UInt64 { waitingWord.load(ordering: .relaxed) }
  /// Of these, those that are entitled to connections that others use.
  @inline(__always)
  var entitled: UInt64 { entitledWord.load(ordering: .relaxed) }
  /// Connections beyond `size`.
  var excess: Int { excessWord.load(ordering: .relaxed) }

  func change<Result: Sendable>(_ body: (inout PermitState) -> Result) -> Result {
    state.withLock { state in
      let result = body(&state)
      let signs = state.signs
      if waiting != signs.waiting { waitingWord.store(signs.waiting, ordering: .relaxed) }
      if entitled != signs.entitled { entitledWord.store(signs.entitled, ordering: .relaxed) }
      if excess != state.excess { excessWord.store(state.excess, ordering: .relaxed) }
      if let news = state.takeNews() { newsWord.store(news.rawValue + 1, ordering: .relaxed) }
      return result
    }
  }

  func nextToAsk(asked: UInt64) -> Int? { state.withLock { $0.nextToAsk(asked: asked) } }
}
