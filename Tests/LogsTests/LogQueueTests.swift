import Testing

@testable import Logs

@Suite struct LogQueueTests {
  private var spare: [UInt8] = []
  private var queue = LogQueue(capacity: 10) { Array("[\($0)]".utf8) }

  @discardableResult
  private mutating func add(_ line: String) -> Bool { queue.add(Array(line.utf8)).isKept }

  private mutating func take() -> String? {
    queue.take(giving: &spare).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Everything, as a reader sees it that takes all at once.
  private mutating func readAll() -> String {
    var all = ""
    while let batch = take() {
      queue.wrote(batch.utf8.count)
      all += batch
    }
    return all
  }

  @Test("keeps lines in order, and wakes a writer that found nothing, once")
  mutating func order() {
    #expect(queue.add(Array("a\n".utf8)) == LogQueue.Admission(isKept: true, wakes: true))
    #expect(queue.add(Array("b\n".utf8)) == LogQueue.Admission(isKept: true, wakes: false))
    #expect(readAll() == "a\nb\n")
    #expect(queue.isEmpty)
    #expect(queue.add(Array("c\n".utf8)) == LogQueue.Admission(isKept: true, wakes: true))
    #expect(take() == "c\n")
    #expect(queue.add(Array("d\n".utf8)) == LogQueue.Admission(isKept: true, wakes: false))
    #expect(!queue.isEmpty)
  }

  @Test("drops what finds no room, counted, until all that waited is taken; then says so in the gap")
  mutating func overflow() {
    #expect(add("12345678\n"))
    #expect(!add("2\n"))
    // It would fit, but the order would be lost.
    #expect(!add("\n"))
    #expect(take() == "12345678\n")
    #expect(!add("4\n"))
    #expect(queue.dropped == 3)
    queue.wrote(9)
    #expect(take() == "[3]")
    #expect(add("5\n"))
    queue.wrote(3)
    #expect(readAll() == "5\n")
    #expect(queue.isEmpty)
    #expect(queue.dropped == 3)
  }

  @Test("counts what was taken as waiting until it is written")
  mutating func inHand() {
    add("1234567\n")
    #expect(take() == "1234567\n")
    #expect(!add("234\n"))
    #expect(queue.dropped == 1)
    queue.wrote(8)
    #expect(readAll() == "[1]")
    add("1234567\n")
    #expect(take() == "1234567\n")
    queue.wrote(4)
    #expect(add("23456\n"))
  }

  @Test("tells of a line that can never fit, with nothing else to write")
  mutating func tooLarge() {
    #expect(queue.add(Array("123456789012\n".utf8)) == LogQueue.Admission(isKept: false, wakes: true))
    #expect(!queue.isEmpty)
    #expect(readAll() == "[1]")
    #expect(add("2\n"))
  }

  @Test("counts what can't be written, and tells a notice again that was lost itself")
  mutating func failure() {
    add("1\n")
    add("2\n")
    add("3\n")
    #expect(take() == "1\n2\n3\n")
    queue.wrote(3)
    #expect(queue.failed(2) == 2)
    #expect(take() == "[2]")
    #expect(queue.failed(1) == 0)
    #expect(!add("4\n"))
    #expect(queue.dropped == 3)
    #expect(readAll() == "[3]")
    #expect(queue.isEmpty)
  }
}
