import MCP
import Testing
import Wire

@Suite struct SessionIDTests {
  static let key = SipHash(key: InlineArray(repeating: 3))

  static func text(_ id: SessionID) -> [UInt8] {
    var buffer = ByteBuffer()
    id.append(to: &buffer, key: key)
    return buffer.bytes.array
  }

  static func read(_ text: [UInt8], _ key: SipHash = key) -> SessionID? { SessionID(text.rawBytes, key: key) }

  @Test("an id reads back as it was written and names its worker")
  func roundTrip() {
    var generator = SystemRandomNumberGenerator()
    for worker in [UInt8(0), 1, 249] {
      let id = SessionID(worker: worker, using: &generator)
      let text = Self.text(id)
      #expect(text.count == SessionID.textLength)
      #expect(text.allSatisfy { $0 >= 0x21 && $0 <= 0x7E })
      #expect(Self.read(text, Self.key) == id)
      #expect(id.worker == worker)
    }
  }

  @Test("an id that was altered, cut or issued under another key is refused")
  func forged() {
    var generator = SystemRandomNumberGenerator()
    let text = Self.text(SessionID(worker: 2, using: &generator))
    for index in text.indices {
      var altered = text
      altered[index] = altered[index] == 0x41 ? 0x42 : 0x41
      #expect(Self.read(altered, Self.key) == nil)
    }
    #expect(Self.read(Array(text.dropLast()), Self.key) == nil)
    #expect(Self.read(text + text, Self.key) == nil)
    #expect(Self.read([], Self.key) == nil)
    #expect(Self.read(text, SipHash(key: InlineArray(repeating: 4))) == nil)
  }
}
