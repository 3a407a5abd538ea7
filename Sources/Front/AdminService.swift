import Reactor
import Wire
import Workers

/// What answers on the admin listener, on the control loop alone.
public protocol AdminService: AnyObject {
  /// One request. Exactly one answer must follow over `connection`, now or later.
  func serve(_ head: RequestHead, _ body: RawSpan, over connection: AdminConnection)
  /// The client has taken enough for more to be written, after a write that was answered `.full`.
  func drained(_ connection: ConnectionID)
  /// The client is gone before the end of its answer.
  func ended(_ connection: ConnectionID)
}

/// A client of the admin listener to whom an answer is due. All of it is for the control loop's thread.
public struct AdminConnection {
  public let id: ConnectionID
  private unowned let context: WorkerContext

  init(_ id: ConnectionID, _ context: WorkerContext) {
    self.id = id
    self.context = context
  }

  /// A whole answer.
  public func reply(_ head: borrowing EventLoop.ReplyHead, _ body: RawSpan) {
    context.loop.reply(id, head, body)
  }

  /// Opens an answer whose pieces follow.
  public func begin(_ head: borrowing EventLoop.ReplyHead) -> WriteOutcome { context.loop.beginStream(id, head) }

  public func write(_ piece: RawSpan) -> WriteOutcome { context.loop.writeStream(id, piece) }

  public func end() { context.loop.endStream(id) }

  /// Runs `action` once on the control loop, after everything else that is due there.
  public func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    context.timers.after(milliseconds: milliseconds, action)
  }
}
