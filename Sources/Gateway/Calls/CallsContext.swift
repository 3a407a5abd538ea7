import MCP
import Reactor
import Wire

/// What the parts of a worker's calls stand on. One for each worker, touched on its loop's thread alone.
final class CallsContext {
  let worker: WorkerContext
  let loop: EventLoop
  let head: Scratch
  let body: Scratch
  let shared: CallsShared
  let sessions: SessionsShared
  let upstream: UpstreamClient
  let delivery: Delivery
  let requests: Requests
  let sweep: SweepTimer
  let later: Continuations<CallLetter>
  /// What clients see.
  let catalogues: ShelfReader

  init(
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

  var index: Int { worker.index }
  var settings: Settings { worker.settings }
  var now: UInt64 { loop.now }
  var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }
  var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }

  /// Sends a letter to a loop, or to this one for another turn.
  func send(_ letter: CallLetter, to loop: Int) { shared.mail.send(letter, to: loop) }
}
