import Testing
import Wire

@testable import MCP

@Suite("The ticket that the id of a session is")
struct SessionTicketTests {
  private static let first = [UInt8]("0123456789abcdef0123456789abcdef".utf8)
  private static let second = [UInt8]("fedcba9876543210fedcba9876543210".utf8)
  private let keys = SessionKeys([first])

  private func ticket(_ keys: SessionKeys, bound: Bool = false) -> SessionTicket {
    SessionTicket(
      SessionID(high: 0x0102_0304_0506_0708, low: 0xF1F2_F3F4_F5F6_F7F8, worker: 249), minute: 29_500_000, .r20250618,
      [.sampling, .experimental], lists: [.tools, .prompts], isBound: bound, path: keys.signing.path("files"),
      principal: keys.signing.principal("CN=ada"))
  }

  private func text(_ ticket: SessionTicket, _ keys: SessionKeys) -> [UInt8] {
    var buffer = ByteBuffer()
    ticket.append(to: &buffer, key: keys.signing)
    return buffer.bytes.array
  }

  private func open(_ text: [UInt8], _ keys: SessionKeys) -> SessionTicket? { keys.open(text.rawBytes) }

  @Test("reads back as it was written, and is visible ASCII", arguments: [false, true])
  func roundTrip(bound: Bool) throws {
    let text = text(ticket(keys, bound: bound), keys)
    #expect(text.count == SessionTicket.textLength && text.allSatisfy { $0 >= 0x21 && $0 <= 0x7E })
    let found = try #require(open(text, keys))
    #expect(found.id == ticket(keys).id && found.id.worker == 249)
    #expect(found.minute == 29_500_000 && found.isBound == bound)
    #expect(found.revision == .r20250618 && found.abilities == [.sampling, .experimental])
    #expect(found.lists == [.tools, .prompts])
    #expect(found.path == keys.signing.path("files") && found.principal == keys.signing.principal("CN=ada"))
  }

  @Test("is refused if it was altered, cut, drawn out or sealed under another secret")
  func forged() {
    let text = text(ticket(keys), keys)
    for index in text.indices {
      for letter in [UInt8(0x41), 0x42, 0x67, 0x5F] where letter != text[index] {
        var altered = text
        altered[index] = letter
        #expect(open(altered, keys) == nil)
      }
      #expect(open(Array(text[..<index]), keys) == nil)
    }
    #expect(open(text + text, keys) == nil)
    #expect(open(text + [0x41], keys) == nil)
    #expect(open(text, SessionKeys([Self.second])) == nil)
    #expect(open(text, .ofThisProcess()) == nil)
  }

  @Test("is taken under a secret that is being replaced")
  func rotation() throws {
    let text = text(ticket(keys), keys)
    let rotated = SessionKeys([Self.second, Self.first])
    let found = try #require(open(text, rotated))
    #expect(found.path != rotated.signing.path("files"))
    #expect(rotated.isFor(found, path: "files", principal: "CN=ada"))
    #expect(!rotated.isFor(found, path: "", principal: "CN=ada") && !rotated.isFor(found, path: "files", principal: ""))
    let new = self.text(ticket(rotated), rotated)
    #expect(open(new, keys) == nil)
    #expect(open(new, rotated) != nil)
  }

  @Test("tells one path and one principal from another, and both from one another")
  func names() {
    let key = keys.signing
    #expect(key.path("") != key.path("files") && key.path("files") != key.path("file"))
    #expect(key.principal("") != key.principal("CN=ada"))
    #expect(key.path("files") != key.principal("files") >> 16)
    #expect(key.path("files") < 1 << 48)
  }

  @Test("of a version that is not known here is refused, whatever its seal")
  func otherVersion() throws {
    let text = text(ticket(keys), keys)
    var raw = ByteBuffer()
    let isDecoded = Base64.decode(text.rawBytes, .url, into: &raw)
    #expect(isDecoded)
    var bytes = raw.bytes.array
    bytes[0] = 2
    let mac = keys.signing.seal.hash128(bytes.rawBytes.extracting(0..<39))
    for index in 0..<16 { bytes[39 + index] = mac[index] }
    var other = ByteBuffer()
    other.append(base64: bytes.rawBytes, .url)
    #expect(open(other.bytes.array, keys) == nil)
  }

  @Test("names its session by the random bits alone")
  func identity() {
    let id = ticket(keys).id
    #expect(id == id.kept(by: 3) && id.kept(by: 3).worker == 3 && id.hashValue == id.kept(by: 3).hashValue)
    #expect(id != SessionID(high: id.high, low: id.low ^ 1, worker: id.worker))
  }

  @Test("secrets of a file are its lines, each long enough")
  func lines() {
    let text = Self.first + [0x0A] + Self.second + [0x0D, 0x0A]
    #expect(SessionSecret.lines(text) == [Self.first, Self.second])
    #expect(SessionSecret.lines([]) == [])
    #expect(SessionSecret.lines(Array("short\n".utf8)) == nil)
    #expect(SessionSecret.random().count == 64 && SessionSecret.random() != SessionSecret.random())
  }
}

@Suite("Keys from a secret")
struct HKDFTests {
  private func bytes(_ text: String) -> [UInt8] {
    let digits = Array(text)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16)! }
  }

  @Test("HMAC-SHA256 as RFC 4231 has it, cases 1 and 2")
  func authentication() {
    #expect(
      HKDF.authenticate(Array("Hi There".utf8), key: [UInt8](repeating: 0x0B, count: 20))
        == bytes("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"))
    #expect(
      HKDF.authenticate(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
        == bytes("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
  }

  @Test("HKDF as RFC 5869 has it, case 3")
  func derivation() {
    let secret = [UInt8](repeating: 0x0B, count: 22)
    let derived = HKDF.derive(42, from: secret.rawBytes, for: RawSpan())
    #expect(
      derived
        == bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
  }
}

@Suite("Sessions that their clients have ended")
struct EndedSessionsTests {
  private func id(_ low: UInt64) -> SessionID { SessionID(high: 7, low: low, worker: 0) }

  @Test("are known again from the lines of a file, in which what is spoilt is passed over")
  func lines() {
    var ended = EndedSessions()
    var file: [UInt8] = []
    for number in UInt64(1)...3 {
      ended.end(id(number), opened: 100)
      file += [0x0A] + EndedSessions.line(of: id(number), opened: 100)
    }
    for text in [file, ended.lines] {
      var read = EndedSessions()
      read.read(text.rawBytes)
      #expect(read.count == 3)
      #expect(read.contains(id(2), opened: 100) && !read.contains(id(4), opened: 100))
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
    ended.end(id(1), opened: 100)
    ended.end(id(2), opened: 200)
    ended.forget(openedBefore: 101)
    #expect(ended.count == 1 && ended.contains(id(2), opened: 200) && !ended.contains(id(1), opened: 100))
  }

  @Test("never come back: of too many the oldest are forgotten, and nothing of their age is taken")
  func floor() {
    var ended = EndedSessions(most: 8)
    for number in UInt64(1)...9 { ended.end(id(number), opened: UInt32(number)) }
    #expect(ended.count < 9)
    for number in UInt64(1)...9 { #expect(ended.contains(id(number), opened: UInt32(number))) }
    #expect(ended.contains(id(99), opened: 1) && !ended.contains(id(99), opened: 9))
    var read = EndedSessions(most: 8)
    read.read(ended.lines.rawBytes)
    for number in UInt64(1)...9 { #expect(read.contains(id(number), opened: UInt32(number))) }
    #expect(!read.contains(id(99), opened: 9))
  }
}
