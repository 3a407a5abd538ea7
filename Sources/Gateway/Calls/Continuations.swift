/// What a worker goes on with once something has been done on another loop, or the time for that is up.
final class Continuations {
  private let context: WorkerContext
  private let mail: Mailboxes<CallLetter>
  private var waiting: [UInt64: () -> Void] = [:]
  private var last: UInt64 = 0

  init(_ context: WorkerContext, _ mail: Mailboxes<CallLetter>) {
    self.context = context
    self.mail = mail
  }

  /// Gives what is called when it is done, once and on any thread; `body` is run on this loop then.
  func once(_ body: @escaping () -> Void) -> @Sendable () -> Void { call(keep(body)) }

  /// The same, but that `body` is run after so many milliseconds in any case.
  func once(within milliseconds: UInt64, _ body: @escaping () -> Void) -> @Sendable () -> Void {
    let number = keep(body)
    context.timers.after(milliseconds: milliseconds) { [unowned self] in goOn(number) }
    return call(number)
  }

  /// It is done, or its time is up, whichever comes first.
  func goOn(_ number: UInt64) { waiting.removeValue(forKey: number)?() }

  private func keep(_ body: @escaping () -> Void) -> UInt64 {
    last += 1
    waiting[last] = body
    return last
  }

  private func call(_ number: UInt64) -> @Sendable () -> Void {
    let (mail, index) = (mail, context.index)
    return { mail.send(.goOn(number), to: index) }
  }
}
