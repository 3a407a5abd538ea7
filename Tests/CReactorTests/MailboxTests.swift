import CReactor
import Foundation
import Testing

/// What the loop's thread received; read by others only after that thread is joined.
private final class Received: @unchecked Sendable {
  var words: [[UInt64]]
  var total = 0
  let expected: Int
  var loop: OpaquePointer?

  init(senders: Int, expected: Int) {
    words = Array(repeating: [], count: senders)
    self.expected = expected
  }
}

/// A pointer that any thread may use: posting and stopping are allowed from everywhere.
private struct Anywhere: @unchecked Sendable {
  let loop: OpaquePointer
}

@Suite("Mailbox")
struct MailboxTests {
  private func makeLoop(_ received: Received) -> OpaquePointer {
    var options = cr_loop_options()
    options.max_connections = 1
    var handlers = cr_handlers()
    handlers.mail = { context, mail in
      let received = Unmanaged<Received>.fromOpaque(context!).takeUnretainedValue()
      received.words[Int(mail!.pointee.kind)].append(mail!.pointee.word.0)
      received.total += 1
      if received.total == received.expected { cr_loop_stop(received.loop) }
    }
    var loop: OpaquePointer?
    let error = cr_loop_create(&loop, &options, &handlers, Unmanaged.passUnretained(received).toOpaque())
    precondition(cr_failed(error) == 0)
    received.loop = loop
    return loop!
  }

  private static func post(_ loop: OpaquePointer, sender: Int, word: UInt64) {
    let mail = cr_mail_make(UInt32(sender), 0)!
    mail.pointee.word.0 = word
    cr_mailbox_post(loop, mail)
  }

  @Test("messages of several threads all arrive, those of one thread in order")
  func manySenders() {
    let senders = 4
    let each: UInt64 = 5000
    let received = Received(senders: senders, expected: senders * Int(each))
    let loop = makeLoop(received)
    let shared = Anywhere(loop: loop)
    let threads = (0..<senders).map { sender in
      Thread {
        for word in 0..<each { MailboxTests.post(shared.loop, sender: sender, word: word) }
      }
    }
    for thread in threads { thread.start() }
    cr_loop_run(loop)
    for words in received.words { #expect(words == Array(0..<each)) }
    cr_loop_destroy(loop)
  }

  @Test("messages posted after the stop are handed over when the loop is destroyed")
  func afterStop() {
    let received = Received(senders: 1, expected: .max)
    let loop = makeLoop(received)
    cr_loop_stop(loop)
    cr_loop_run(loop)
    for word in 0..<3 { MailboxTests.post(loop, sender: 0, word: UInt64(word)) }
    cr_loop_destroy(loop)
    #expect(received.words == [[0, 1, 2]])
  }

  @Test("a message keeps its words, its object and its bytes")
  func contents() {
    final class Seen {
      var matches = false
    }
    let seen = Seen()
    var options = cr_loop_options()
    options.max_connections = 1
    var handlers = cr_handlers()
    handlers.mail = { context, mail in
      let seen = Unmanaged<Seen>.fromOpaque(context!).takeUnretainedValue()
      let mail = mail!
      let bytes = UnsafeRawPointer(mail).advanced(by: MemoryLayout<cr_mail>.size)
      seen.matches =
        mail.pointee.kind == 3 && mail.pointee.word.1 == 8 && mail.pointee.object == context
        && mail.pointee.length == 2 && bytes.loadUnaligned(as: UInt16.self) == 0x0201
    }
    var loop: OpaquePointer?
    let context = Unmanaged.passUnretained(seen).toOpaque()
    #expect(cr_failed(cr_loop_create(&loop, &options, &handlers, context)) == 0)
    let mail = cr_mail_make(3, 2)!
    mail.pointee.word.1 = 8
    mail.pointee.object = context
    UnsafeMutableRawPointer(mail).advanced(by: MemoryLayout<cr_mail>.size)
      .storeBytes(of: 0x0201, as: UInt16.self)
    cr_mailbox_post(loop, mail)
    while cr_loop_step(loop) {}
    #expect(seen.matches)
    cr_loop_destroy(loop)
  }
}
