import Delivery
import Reactor
import ServedCatalogue
import Sessions
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// What the parts of a worker's calls stand on. One for each worker, touched on its loop's thread alone.
public final class CallsContext {
  public let worker: WorkerContext
  public let loop: EventLoop
  public let head: Scratch
  public let body: Scratch
  public let shared: CallsShared
  public let sessions: SessionsShared
  public let upstream: UpstreamClient
  public let delivery: Delivery
  public let requests: Requests
  let sweep: SweepTimer
  public let later: Continuations<CallLetter>
  /// What clients see.
  public let catalogues: ShelfReader

  public init(
    _ worker: WorkerContext, _ shared: CallsShared, _ upstream: UpstreamClient, _ delivery: Delivery,
    _ sweep: SweepTimer
  ) {
    self.worker = worker
    loop = worker.loop
    head = worker.head
    body = worker.body
    self.shared = shared
    sessions = shared.sessions
    self.upstream = upstream
    catalogues = ShelfReader(shared.sessions.shelf)
    self.delivery = delivery
    requests = upstream.requests
    self.sweep = sweep
    later = Continuations(worker, shared.mail, CallLetter.goOn)
  }

  public var index: Int { worker.index }
  public var settings: Settings { worker.settings }
  public var now: UInt64 { loop.now }
  var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }
  var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }

  /// Sends a letter to a loop, or to this one for another turn.
  public func send(_ letter: CallLetter, to loop: Int) { shared.mail.send(letter, to: loop) }
}
