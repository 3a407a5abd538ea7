import Testing
import Wire

@Suite struct ByteBufferTests {
  static func text(_ write: (inout ByteBuffer) -> Void) -> String {
    var buffer = ByteBuffer()
    write(&buffer)
    return buffer.bytes.text
  }

  @Test("numbers are written as their shortest decimal and as fixed hexadecimal")
  func numbers() {
    for value: UInt64 in [0, 9, 10, 1_234_567, .max] {
      check(Self.text { $0.append(decimal: value) } == "\(value)")
    }
    for value in [0, -1, Int.min, Int.max] { check(Self.text { $0.append(decimal: value) } == "\(value)") }
    check(Self.text { $0.append(hex: 0xAB, digits: 4) } == "00ab")
  }

  @Test("a quoted text is JSON and nothing more than needed is escaped")
  func quoted() {
    let text = "a\"\\\n\r\t\u{1}é😀/"
    let quoted = Self.text { $0.append(quoted: text) }
    check(quoted == "\"a\\\"\\\\\\n\\r\\t\\u0001é😀/\"")
    let bytes = Array(quoted.utf8)
    check(JSON.string(bytes.rawBytes) == text)
  }

  @Test("growing keeps the content, clearing keeps or gives back the memory")
  func growth() {
    var buffer = ByteBuffer()
    check(buffer.isEmpty)
    var expected: [UInt8] = []
    for index in 0..<5000 {
      buffer.append(byte: UInt8(index & 255))
      expected.append(UInt8(index & 255))
    }
    check(buffer.bytes.array == expected)
    buffer.removeFirst(10)
    check(buffer.bytes.array == Array(expected.dropFirst(10)))
    buffer.truncate(to: 3)
    check(buffer.count == 3)
    buffer.clear(keepingAtMost: 1 << 20)
    check(buffer.capacity > 0)
    buffer.append("x")
    buffer.clear(keepingAtMost: 16)
    check(buffer.capacity == 0)
    buffer.append("y")
    check(buffer.bytes.text == "y")
  }

  @Test("a header with a line break in its value is refused and leaves nothing behind")
  func headers() {
    var buffer = ByteBuffer()
    buffer.append(header: .mcpMethod, "tools/call")
    let bad = Array("a\r\nX: y".utf8)
    check(!buffer.append(header: .mcpName, bad.rawBytes))
    check(!buffer.append(header: bad.rawBytes, ("v" as StaticString).bytes))
    buffer.append(header: HeaderField.mcpName.name, encoding: bad.rawBytes)
    buffer.append(contentLength: 12)
    check(
      buffer.bytes.text == "Mcp-Method: tools/call\r\nMcp-Name: =?base64?YQ0KWDogeQ==?=\r\nContent-Length: 12\r\n")
  }

  @Test("base64 reads back in both alphabets, and nothing is appended for malformed text")
  func base64() {
    let bytes: [UInt8] = [0xFB, 0xFF, 0x00, 0x41]
    for alphabet in [Base64.Alphabet.standard, .url] {
      let encoded = Array(Self.text { $0.append(base64: bytes.rawBytes, alphabet) }.utf8)
      var buffer = ByteBuffer()
      let isGood = Base64.decode(encoded.rawBytes, alphabet, into: &buffer)
      check(isGood)
      check(buffer.bytes.array == bytes)
    }
    var buffer = ByteBuffer()
    for text: StaticString in ["A", "QUI", "Q*==", "QUJD="] {
      let isGood = Base64.decode(text.bytes, .standard, into: &buffer)
      check(!isGood)
    }
    check(buffer.isEmpty)
    var four = InlineArray<4, UInt8>(repeating: 0)
    var room = four.mutableSpan
    let isFilled = Base64.decode(("QUJD" as StaticString).bytes, .url, filling: &room)
    check(!isFilled)
  }
}
