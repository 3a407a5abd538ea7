import CReactor

/// An event loop as other threads know it: a place to post work to.
///
/// Thread: any. The loop outlives its handles' use: it is destroyed only after every thread that posts was joined.
@safe
public struct LoopHandle: @unchecked Sendable {
  // Sendable because the pointer is only given to calls that CReactor declares for any thread.
  let loop: OpaquePointer

  enum MailKind: UInt32 {
    case job = 1
    case executorJob = 2
  }

  private final class Job {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Runs `job` on the loop's thread, after what this thread posted before. Costs a wake of 35 to 45 us if the loop sleeps.
  public func post(_ job: @escaping @Sendable () -> Void) {
    guard let mail = unsafe cr_mail_make(MailKind.job.rawValue, 0) else { fatalError("no memory for a message") }
    unsafe mail.pointee.object = Unmanaged.passRetained(Job(job)).toOpaque()
    unsafe cr_mailbox_post(loop, mail)
  }

  func post(_ job: UnownedJob) {
    guard let mail = unsafe cr_mail_make(MailKind.executorJob.rawValue, 0) else {
      fatalError("no memory for a message")
    }
    unsafe mail.pointee.object = unsafe unsafeBitCast(job, to: UnsafeMutableRawPointer.self)
    unsafe cr_mailbox_post(loop, mail)
  }

  /// While it sheds, the loop answers new connections and requests with 503.
  public func shed(_ shedding: Bool) { unsafe cr_loop_shed(loop, shedding) }

  /// Counts memory that policy keeps for peers of the loop, or gives back (negative).
  public func hold(_ bytes: Int) { unsafe cr_loop_hold(loop, bytes) }

  public var losses: LoopLosses { LoopLosses(unsafe cr_loop_lost(loop)) }

  /// Lets the loop end after the turn it is in.
  public func stop() {
    unsafe cr_loop_stop(loop)
  }

  static func open(_ mail: UnsafeMutablePointer<cr_mail>, on executor: some TaskExecutor) {
    guard let object = unsafe mail.pointee.object else { return }
    switch unsafe MailKind(rawValue: mail.pointee.kind) {
    case .job:
      unsafe Unmanaged<Job>.fromOpaque(object).takeRetainedValue().body()
    case .executorJob:
      let job = unsafe unsafeBitCast(object, to: UnownedJob.self)
      unsafe job.runSynchronously(on: executor.asUnownedTaskExecutor())
    case nil:
      break
    }
  }
}
