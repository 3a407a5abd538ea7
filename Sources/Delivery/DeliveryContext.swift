import Reactor
import Sessions
import Workers

/// What the parts of a worker's delivery stand on: letters to other loops, what all loops share, and whom they speak to
/// upward.
final class DeliveryContext {
  let worker: WorkerContext
  let loop: EventLoop
  let index: Int
  let shared: DeliveryShared
  let sessions: SessionsShared
  /// The end has come: nothing is started any more.
  var isClosing = false
  private let mail: Mailboxes<DeliveryLetter>
  private unowned(unsafe) var delegateOfOwner: (any DeliveryDelegate)?
  private unowned(unsafe) var reader: (any LetterReader<DeliveryLetter>)?

  init(_ worker: WorkerContext, _ shared: DeliveryShared) {
    self.worker = worker
    loop = worker.loop
    index = worker.index
    self.shared = shared
    sessions = shared.sessions
    mail = shared.mail
  }

  /// Letters are opened from here on.
  func begin(_ reader: some LetterReader<DeliveryLetter>, _ delegate: any DeliveryDelegate) {
    unsafe self.reader = reader
    unsafe delegateOfOwner = delegate
    mail.open(index, for: reader)
  }

  func close() { mail.close(index) }

  var delegate: any DeliveryDelegate { unsafe delegateOfOwner! }
  var settings: Settings { worker.settings }
  var now: UInt64 { loop.now }
  var isDraining: Bool { worker.group.phase.isDraining }

  func send(_ letter: DeliveryLetter, to loop: Int) { mail.send(letter, to: loop) }

  /// Opens it at once where it is for this loop.
  func hand(_ letter: DeliveryLetter, to loop: Int) {
    if loop == index { unsafe reader?.open(letter) } else { send(letter, to: loop) }
  }

  /// Opens what has come by now. Not from within a letter.
  func openLetters() { mail.openNow(index) }

  func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    worker.timers.after(milliseconds: milliseconds, action)
  }
}
