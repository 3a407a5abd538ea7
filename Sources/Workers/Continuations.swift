/// What a worker goes on with once something has been done on other loops, or the time for that is up. A letter brings the number
/// of it back to the loop, whose reader says so by `goOn`.
public final class Continuations<Letter: Sendable> {
  private let context: WorkerContext
  private let mail: Mailboxes<Letter>
  private let letter: @Sendable (UInt64) -> Letter
  private var waiting: [UInt64: () -> Void] = [:]
  private var last: UInt64 = 0

  public init(_ context: WorkerContext, _ mail: Mailboxes<Letter>, _ letter: @escaping @Sendable (UInt64) -> Letter) {
    self.context = context
    self.mail = mail
    self.letter = letter
  }

  /// Gives what is called when it is done, on any thread and as often as is said; `body` is run on this loop then, once.
  /// - Parameter milliseconds: after which `body` is run in any case; nil: it waits for as long as that takes.
  public func once(
    after count: Int = 1, within milliseconds: UInt64? = nil, _ body: @escaping () -> Void
  ) -> @Sendable () -> Void {
    last += 1
    let number = last
    waiting[number] = body
    if let milliseconds { context.timers.after(milliseconds: milliseconds) { [unowned self] in goOn(number) } }
    let (mail, index, letter) = (mail, context.index, letter)
    guard count > 1 else { return { mail.send(letter(number), to: index) } }
    let gathering = Gathering(count)
    return { if gathering.arrive() { mail.send(letter(number), to: index) } }
  }

  /// It is done, or its time is up, whichever comes first.
  public func goOn(_ number: UInt64) { waiting.removeValue(forKey: number)?() }
}
