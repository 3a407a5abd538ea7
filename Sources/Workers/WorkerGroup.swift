import Reactor
import Synchronization

/// The loops of a gateway, as each of them and other threads know them: where work for one of them is posted to.
public final class WorkerGroup: Sendable {
  /// Loops that serve clients, numbered from 0; the control loop comes after them.
  public let workerCount: Int
  /// Memory that is kept for parties, on whichever loop.
  let holdings = Holdings()
  public let phase = Phase()
  /// What each loop counts.
  let tallies: [Tallies]
  private let handles = Mutex<[LoopHandle]>([])
  /// Loops whose worker has ended.
  private let ended = Mutex<Set<Int>>([])

  public init(workerCount: Int) {
    self.workerCount = workerCount
    tallies = (0...workerCount).map { _ in Tallies() }
  }

  public var loopCount: Int { workerCount + 1 }

  /// In the order of their numbers, before any of them runs.
  public func register(_ handle: LoopHandle) { handles.withLock { $0.append(handle) } }

  /// Runs `job` on a loop. 35 to 45 us if that one sleeps.
  func post(to index: Int, _ job: @escaping @Sendable () -> Void) { handles.withLock { $0[index] }.post(job) }

  /// The same, unless the worker of that loop has ended by then: what a loop has not done when it ends comes back as it is
  /// destroyed, when nobody is left to do it.
  public func run(on index: Int, _ job: @escaping @Sendable () -> Void) {
    post(to: index) { [self] in
      if ended.withLock({ !$0.contains(index) }) { job() }
    }
  }

  /// The worker of that loop has ended.
  public func leave(_ index: Int) { ended.withLock { _ = $0.insert(index) } }

  /// Calls `done`, on the last of them, once each of these loops has gone through what its sockets had ready now.
  public func pass(_ loops: Set<Int>, _ done: @escaping @Sendable () -> Void) {
    guard !loops.isEmpty else { return done() }
    let gathering = Gathering(loops.count)
    for loop in loops { pass(loop, turns: 2) { if gathering.arrive() { done() } } }
  }

  /// A message that a loop sends itself comes with what is ready by then, and before or after it; the one after that
  /// comes after all of it.
  private func pass(_ loop: Int, turns: Int, _ done: @escaping @Sendable () -> Void) {
    run(on: loop) { [self] in
      if turns > 0 { pass(loop, turns: turns - 1, done) } else { done() }
    }
  }

  /// Counts memory that is kept for clients of that loop's.
  func hold(_ bytes: Int, on index: Int) { handles.withLock { $0[index] }.hold(bytes) }

  /// Whether workers answer new connections and requests with 503. The control loop goes on, so that health can be seen.
  public func shed(_ shedding: Bool) {
    handles.withLock { for handle in $0.prefix(workerCount) { handle.shed(shedding) } }
  }

  /// What all loops have counted.
  public func total(of tally: Tally) -> UInt64 { tallies.reduce(0) { $0 &+ $1[tally] } }

  /// By loop; the control loop, which serves operators, comes last.
  public var losses: [LoopLosses] { handles.withLock { $0.map(\.losses) } }
}
