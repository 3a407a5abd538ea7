import Reactor
import Testing

@testable import Workers

/// Letters on their way to one loop, which is stepped by hand.
@Suite("Letters between loops") final class MailboxesTests: LetterReader {
  private let loop: EventLoop
  private let mail: Mailboxes<Int>
  private var opened: [Int] = []
  /// What opening a letter leads to.
  private var answer: (Int) -> Void = { _ in }

  init() throws {
    loop = try EventLoop(EventLoop.Options())
    let group = WorkerGroup(workerCount: 1)
    group.register(loop.handle)
    mail = Mailboxes(group, mostPerTurn: 5)
    mail.open(0, for: self)
  }

  deinit { mail.close(0) }

  func open(_ letter: Int) {
    opened.append(letter)
    answer(letter)
  }

  private func turn() -> Int {
    let before = opened.count
    loop.step()
    return opened.count - before
  }

  @Test("are opened in the order in which they were sent, so many in a turn")
  func slices() {
    let most = 5
    for letter in 0..<(2 * most + 3) { mail.send(letter, to: 0) }
    #expect((0..<4).map { _ in turn() } == [most, most, 3, 0])
    #expect(opened == Array(0..<(2 * most + 3)))
  }

  @Test("that are sent while others are opened come in a turn of their own, once")
  func chain() {
    answer = { [unowned self] letter in if letter < 5 { mail.send(letter + 1, to: 0) } }
    mail.send(0, to: 0)
    #expect((0..<7).map { _ in turn() } == [1, 1, 1, 1, 1, 1, 0])
  }

  @Test("can be opened before the loop is woken, and none is forgotten")
  func openedNow() {
    mail.openNow(0)
    for letter in 0..<3 { mail.send(letter, to: 0) }
    mail.openNow(0)
    #expect(opened == [0, 1, 2])
    mail.send(3, to: 0)
    #expect(turn() == 1 && turn() == 0)
    answer = { [unowned self] letter in
      // Not from within a letter.
      if letter == 4 { mail.openNow(0) }
    }
    for letter in 4..<6 { mail.send(letter, to: 0) }
    #expect(turn() == 2 && opened == Array(0..<6))
  }
}
