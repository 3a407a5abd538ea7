import Reactor
import Synchronization

/// The loops of a gateway, as each of them and other threads know them: where work for one of them is posted to.
final class WorkerGroup: Sendable {
  /// Loops that serve clients, numbered from 0; the control loop comes after them.
  let workerCount: Int
  /// Memory that is kept for parties, on whichever loop.
  let holdings = Holdings()
  let phase = Phase()
  private let handles = Mutex<[LoopHandle]>([])

  init(workerCount: Int) { self.workerCount = workerCount }

  var loopCount: Int { workerCount + 1 }

  /// In the order of their numbers, before any of them runs.
  func register(_ handle: LoopHandle) { handles.withLock { $0.append(handle) } }

  /// Runs `job` on a loop. 35 to 45 us if that one sleeps.
  func post(to index: Int, _ job: @escaping @Sendable () -> Void) { handles.withLock { $0[index] }.post(job) }

  /// Counts memory that is kept for clients of that loop's.
  func hold(_ bytes: Int, on index: Int) { handles.withLock { $0[index] }.hold(bytes) }

  /// Whether workers answer new connections and requests with 503. The control loop goes on, so that health can be seen.
  func shed(_ shedding: Bool) {
    handles.withLock { for handle in $0.prefix(workerCount) { handle.shed(shedding) } }
  }

  /// By loop; the control loop, which serves operators, comes last.
  var losses: [LoopLosses] { handles.withLock { $0.map(\.losses) } }
}
