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

  @Test("of nobody known is good from any address, and says on whose account it goes")
  func addresses() {
    func ticket(_ principal: UInt64, path: String = "") -> SessionTicket {
      SessionTicket(
        SessionID(worker: 0), minute: 1, .r20251125, [], path: keys.signing.path(path), principal: principal)
    }
    let addresses = (UInt64(0)..<8).map { (high: $0 / 4, low: 0xFFFF_7F00_0000 + $0) }
    let tickets = addresses.map { ticket(keys.signing.nobody(at: $0)) }
    #expect(
      tickets.allSatisfy { keys.isFor($0, path: "", principal: "") && !keys.isFor($0, path: "", principal: "CN=ada") })
    #expect(Set(tickets.map(\.share)).count > 6)
    #expect(ticket(keys.signing.nobody(at: addresses[0])).share == tickets[0].share)
    // As a former version made them.
    #expect(keys.isFor(ticket(keys.signing.principal("")), path: "", principal: ""))
    let known = ticket(keys.signing.principal("CN=ada"))
    #expect(keys.isFor(known, path: "", principal: "CN=ada") && !keys.isFor(known, path: "", principal: ""))
    let near = ticket(keys.signing.principal("CN=ada") ^ 1)
    #expect(!keys.isFor(near, path: "", principal: "CN=ada"))
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

  @Test("is sealed under a secret that is another one each time")
  func secret() {
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
