import MCP
import Reactor
import Testing
import Wire

@testable import SessionStore

@Suite("What one process tells another of sessions")
struct SessionRecordTests {
  private let id = SessionID(high: 0x0123_4567_89AB_CDEF, low: 42, worker: 3)

  private var samples: [SessionRecord] {
    let frame = EventLog.encode(("{}" as StaticString).bytes)
    var piece = EventLog.Piece(stream: 7, from: 1 << 40, to: 1 << 40 + 1)
    piece.frame = frame
    var lost = EventLog.Piece(stream: 8, from: 1, to: 9)
    (lost.isLost, lost.isLast, lost.isDelivered) = (true, true, true)
    let settled = SessionRecord.Settled(
      revision: .r20250618, abilities: [.roots, .sampling], lists: [.tools, .prompts], logLevel: .warning)
    let contents: [SessionRecord.Contents] = [
      .settled(settled), .subscription(Array("ref://x".utf8), isWanted: true),
      .subscription(Array("ref://y".utf8), isWanted: false), .piece(piece), .piece(lost), .left, .message(frame),
      .allLeft, .complete, .reply(Array("{}".utf8)), .ended(opened: 5, share: 9, number: .max), .noted(number: 6),
    ]
    return contents.map { SessionRecord(id, $0) }
  }

  private func read(_ bytes: [UInt8], by size: Int) throws(SessionRecordReader.Failure) -> [SessionRecord] {
    var reader = SessionRecordReader()
    var found: [SessionRecord] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      reader.feed(Array(bytes[start..<min(start + size, bytes.count)]))
      while let next = try reader.next() { found.append(next.record) }
    }
    return found
  }

  @Test("it is read as it was meant, in whatever pieces it comes")
  func pieces() throws {
    let whole = SessionRecordReader.greeting + samples.flatMap(\.encoded)
    for size in [1, 2, 3, 5, 17, 64, whole.count] {
      let found = try read(whole, by: size)
      #expect(found.map(\.encoded) == samples.map(\.encoded))
      #expect(found.allSatisfy { $0.session == id })
    }
    guard case .settled(let settled) = try read(whole, by: 9)[0].contents else {
      return #expect(Bool(false), "what was settled comes first")
    }
    #expect(settled.revision == .r20250618 && settled.logLevel == .warning && settled.lists == [.tools, .prompts])
    guard case .piece(let piece) = try read(whole, by: 9)[3].contents else {
      return #expect(Bool(false), "a piece is none")
    }
    #expect(piece.stream == 7 && piece.from == 1 << 40 && piece.frame?.bytes.text == "event: message\ndata: {}\n\n")
  }

  @Test("what is cut or has any bit wrong is noticed, and nothing but what was meant is read before that")
  func garbled() {
    let greeting = SessionRecordReader.greeting
    let meant = samples.map(\.encoded)
    let whole = greeting + meant.flatMap(\.self)
    for length in 0..<whole.count {
      let found = try? read(Array(whole[..<length]), by: 1000)
      #expect(found.map { $0.map(\.encoded) == Array(meant.prefix($0.count)) } == true)
    }
    for place in whole.indices {
      for bit in [0, 3, 7] {
        var bytes = whole
        bytes[place] ^= 1 << bit
        var reader = SessionRecordReader()
        reader.feed(bytes)
        var found: [[UInt8]] = []
        var failure: SessionRecordReader.Failure?
        do throws(SessionRecordReader.Failure) {
          while let next = try reader.next() { found.append(next.encoded) }
        } catch { failure = error }
        #expect(found == Array(meant.prefix(found.count)) && found.count < meant.count, "byte \(place)")
        if place < greeting.count { #expect(failure == .foreign) }
      }
    }
  }

  @Test("noise is no record")
  func noise() {
    var random = Seeded(state: 11)
    for _ in 0..<2000 {
      let noise = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(((try? read(SessionRecordReader.greeting + noise, by: 50)) ?? []).isEmpty)
    }
  }

  @Test("a record of a length that none has is refused before the rest of it has come")
  func length() throws {
    func next(_ length: UInt32) throws -> Bool {
      var reader = SessionRecordReader(greeted: true)
      reader.feed([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) })
      return try reader.next() != nil
    }
    for length in [0, 20, UInt32(SessionRecord.largestEvent) + 1025, .max] {
      #expect(throws: SessionRecordReader.Failure.broken, "\(length)") { try next(length) }
    }
    for length in [21, UInt32(SessionRecord.largestEvent) + 1024] { #expect(try !next(length)) }
  }

  @Test("contents that can't be meant are refused though their checksum is right")
  func meaning() {
    var random = Seeded(state: 13)
    for sample in samples {
      let body = Array(sample.encoded.dropFirst(4).dropLast(4))
      for _ in 0..<200 {
        var wrong = body
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          wrong[Int.random(in: wrong.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        wrong.removeLast(Int.random(in: 0...max(0, wrong.count - 17), using: &random))
        // Refused or of some meaning, and never a crash.
        var reader = SessionRecordReader(greeted: true)
        reader.feed(SessionRecord.sealed(wrong))
        if let next = try? reader.next() { _ = next.record.encoded }
      }
    }
  }

  @Test("another version is not taken for this one, and a kind that a later one adds is passed over")
  func versions() throws {
    #expect(throws: SessionRecordReader.Failure.foreign) { try read(Array("sluice sessions 2\n".utf8), by: 3) }
    let later = SessionRecord.sealed([200] + [UInt8](repeating: 1, count: 30))
    let found = try read(SessionRecordReader.greeting + later + samples[0].encoded, by: 7)
    #expect(found.count == 2)
    guard case .unknown = found[0].contents else { return #expect(Bool(false), "it is taken for something") }
  }

  @Test("an event that is too large is told as one that can't be had")
  func large() throws {
    var piece = EventLog.Piece(stream: 1, from: 1, to: 2)
    piece.frame = Frame(copying: [UInt8](repeating: 0x20, count: SessionRecord.largestEvent + 1).rawBytes)
    let found = try read(SessionRecordReader.greeting + SessionRecord(id, .piece(piece)).encoded, by: 1000)
    guard case .piece(let told) = found[0].contents else { return #expect(Bool(false), "a piece is none") }
    #expect(told.frame == nil && told.isLost && told.to == 2)
  }
}

@Suite("What is known of sessions that nobody has come for")
struct EstateTests {
  private func id(_ number: UInt64) -> SessionID { SessionID(high: number, low: number, worker: 0) }

  private func subscription(_ text: String) -> SessionRecord.Contents {
    .subscription(Array(text.utf8), isWanted: true)
  }

  @Test("it is kept in order, session by session, until it is taken")
  func order() {
    var estate = Estate()
    for text in ["a", "b", "c"] {
      for number in 1...3 as ClosedRange<UInt64> {
        estate.keep(SessionRecord(id(number), subscription(text)).encoded, of: id(number))
      }
    }
    #expect(estate.count == 3)
    let texts = estate.records(of: id(2)).map { record in
      if case .subscription(let uri, _) = record.contents { String(decoding: uri, as: UTF8.self) } else { "" }
    }
    #expect(texts == ["a", "b", "c"])
    for number in 1...3 as ClosedRange<UInt64> { estate.remove(id(number)) }
    #expect(estate.count == 0 && estate.bytes == 0)
    #expect(estate.records(of: id(2)).isEmpty)
  }

  @Test("it has its bound, and what is too much is left out")
  func bound() {
    var estate = Estate(most: 10_000)
    for number in 0..<1000 as Range<UInt64> {
      estate.keep(SessionRecord(id(number), subscription("ref://\(number)")).encoded, of: id(number))
      #expect(estate.bytes <= 10_000)
    }
    #expect(estate.count > 20 && estate.count < 100)
  }

  @Test("events grow old before the rest does")
  func age() {
    var estate = Estate()
    var piece = EventLog.Piece(stream: 1, from: 1, to: 2)
    piece.frame = EventLog.encode(("{}" as StaticString).bytes)
    for contents in [subscription("a"), .piece(piece), .left, subscription("b")] {
      estate.keep(SessionRecord(id(1), contents).encoded, of: id(1))
    }
    let before = estate.bytes
    estate.removeEvents()
    #expect(estate.records(of: id(1)).count == 2 && estate.bytes < before)
    estate.remove(id(1))
    #expect(estate.bytes == 0)
  }
}

/// The same numbers each time.
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 29)
  }
}
