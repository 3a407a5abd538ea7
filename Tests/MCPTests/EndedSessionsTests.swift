import MCP
import Testing
import Wire

@Suite("Sessions that their clients have ended")
struct EndedSessionsTests {
  private func id(_ low: UInt64) -> SessionID { SessionID(high: 7, low: low, worker: 0) }

  @Test("are known again from the lines of a file, in which what is spoilt is passed over")
  func lines() {
    var ended = EndedSessions()
    var file: [UInt8] = []
    for number in UInt64(1)...3 {
      ended.end(id(number), opened: 100, share: 3)
      file += [0x0A] + EndedSessions.line(of: id(number), opened: 100, share: 3)
    }
    for text in [file, ended.lines] {
      var read = EndedSessions()
      read.read(text.rawBytes)
      #expect(read.count == 3)
      #expect(read.contains(id(2), opened: 100, share: 3) && !read.contains(id(4), opened: 100, share: 3))
    }
    for place in file.indices where file[place] != 0x0A {
      var spoilt = file
      spoilt[place] ^= 1
      var read = EndedSessions()
      read.read(spoilt.rawBytes)
      #expect(read.count == 2)
    }
    var cut = EndedSessions()
    cut.read(Array(file.dropLast()).rawBytes)
    #expect(cut.count == 2)
  }

  @Test("are forgotten once their tickets are too old")
  func age() {
    var ended = EndedSessions()
    ended.end(id(1), opened: 100, share: 3)
    ended.end(id(2), opened: 200, share: 3)
    ended.forget(openedBefore: 101)
    #expect(
      ended.count == 1 && ended.contains(id(2), opened: 200, share: 3) && !ended.contains(id(1), opened: 100, share: 3))
  }

  @Test("never come back: of too many the oldest are forgotten, and nothing of their age is taken")
  func floor() {
    var ended = EndedSessions(most: 8)
    for number in UInt64(1)...9 { ended.end(id(number), opened: UInt32(number), share: 3) }
    #expect(ended.count < 9)
    for number in UInt64(1)...9 { #expect(ended.contains(id(number), opened: UInt32(number), share: 3)) }
    #expect(ended.contains(id(99), opened: 1, share: 3) && !ended.contains(id(99), opened: 9, share: 3))
    var read = EndedSessions(most: 8)
    read.read(ended.lines.rawBytes)
    for number in UInt64(1)...9 { #expect(read.contains(id(number), opened: UInt32(number), share: 3)) }
    #expect(!read.contains(id(99), opened: 9, share: 3))
  }

  @Test("one who ends any number of them voids its own alone")
  func shares() {
    var ended = EndedSessions(most: 64)
    for number in UInt64(1)...4 { ended.end(id(number), opened: UInt32(number), share: 1) }
    for number in UInt64(100)...105 { ended.end(id(number), opened: 6, share: 2) }
    for number in UInt64(1000)...3000 { ended.end(id(number), opened: UInt32(number), share: 3) }
    #expect(ended.count <= 64)
    var read = EndedSessions(most: 64)
    read.read(ended.lines.rawBytes)
    for known in [ended, read] {
      #expect((UInt64(1)...4).allSatisfy { known.contains(id($0), opened: UInt32($0), share: 1) })
      #expect((UInt64(100)...105).allSatisfy { known.contains(id($0), opened: 6, share: 2) })
      // What others have opened, ever, is taken.
      #expect(!known.contains(id(9), opened: 1, share: 1) && !known.contains(id(9), opened: 1, share: 2))
      #expect(!known.contains(id(9), opened: 1, share: 4))
      #expect((UInt64(1000)...3000).allSatisfy { known.contains(id($0), opened: UInt32($0), share: 3) })
      #expect(known.contains(id(9), opened: 1000, share: 3) && !known.contains(id(9), opened: 3001, share: 3))
    }
  }

  @Test("as many as there may be of many who have one or two each: those who have two give up the older one")
  func many() {
    var ended = EndedSessions(most: 64)
    for number in UInt64(0)..<40 {
      ended.end(id(number), opened: 10, share: UInt16(number))
      if number < 30 { ended.end(id(100 + number), opened: 20, share: UInt16(number)) }
    }
    #expect(ended.count <= 64)
    #expect((UInt64(0)..<40).allSatisfy { ended.contains(id($0), opened: 10, share: UInt16($0)) })
    #expect((UInt64(0)..<30).allSatisfy { ended.contains(id(100 + $0), opened: 20, share: UInt16($0)) })
    #expect((UInt64(30)..<40).allSatisfy { !ended.contains(id(999), opened: 10, share: UInt16($0)) })
  }

  @Test("that are too old make room before anybody gives up what can come back")
  func room() {
    var ended = EndedSessions(most: 64)
    for number in UInt64(0)..<40 { ended.end(id(number), opened: 10, share: 1) }
    ended.oldest = 11
    for number in UInt64(100)..<140 { ended.end(id(number), opened: 20, share: 1) }
    #expect(ended.count == 40 && !ended.contains(id(999), opened: 20, share: 1))
  }

  @Test("are read as a former version wrote them, whose floor is everybody's")
  func formerVersion() {
    func line(_ text: String) -> String {
      let sum = UInt32(truncatingIfNeeded: SipHash(key: InlineArray(repeating: 0)).hash64(Array(text.utf8).rawBytes))
      let digits = String(sum, radix: 16)
      return "\(text) \(String(repeating: "0", count: 8 - digits.count))\(digits)\n"
    }
    var ended = EndedSessions()
    let text = line("ended 1 00000000000000ff 00000064") + line("floor 1 0000000000000000 00000032")
    ended.read(Array(text.utf8).rawBytes)
    #expect(ended.contains(id(255), opened: 100, share: 9) && ended.contains(id(1), opened: 50, share: 7))
    #expect(!ended.contains(id(1), opened: 51, share: 7))
    #expect(ended.lines.count == text.utf8.count)
  }
}
