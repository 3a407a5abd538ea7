import Reactor
import UpstreamRequests
import Workers

/// Gives up memory of one worker when the process is short of it.
public final class MemoryRelief: LetterReader {
  private let context: WorkerContext
  private let requests: Requests
  private let mail: Mailboxes<MemoryGuard.Excess>

  public init(_ context: WorkerContext, _ requests: Requests, _ mail: Mailboxes<MemoryGuard.Excess>) {
    self.context = context
    self.requests = requests
    self.mail = mail
    mail.open(context.index, for: self)
  }

  public func close() { mail.close(context.index) }

  /// Ends connections, those of the client that has most first.
  public func open(_ excess: MemoryGuard.Excess) {
    requests.giveUpMessages()
    let counts = context.loop.counts
    let kept = Int(clamping: counts.buffered) + Int(clamping: counts.held)
    context.loop.relieve(toBytes: excess.leaves(of: kept))
  }
}
