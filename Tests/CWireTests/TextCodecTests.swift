import CWire
import Testing

@Suite("UTF-8")
struct UTF8Tests {
  @Test(
    "what is UTF-8 is, whole and at every cut",
    arguments: [
      "", "ascii only, long enough for whole words", "\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}",
      "\u{10000}\u{10ffff}",
      "mixed \u{4e2d} and \u{1f600} and ascii again",
    ])
  func valid(text: String) {
    check(Array(text.utf8), expected: true)
  }

  @Test(
    "what is not is refused",
    arguments: [
      [0x80], [0xbf], [0xc0, 0x80], [0xc1, 0xbf], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf],
      [0xf0, 0x8f, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff], [0xc2], [0xc2, 0x41],
      [0xe4, 0xb8], [0xe4, 0xb8, 0x41], [0xf0, 0x9f, 0x98], [0xe4, 0x41, 0xad],
    ] as [[UInt8]])
  func invalid(bytes: [UInt8]) {
    check(bytes, expected: false)
    check(Array("0123456789abcdef".utf8) + bytes, expected: false)
  }

  private func check(_ bytes: [UInt8], expected: Bool) {
    withExactBytes(bytes) { #expect(cwire_utf8_valid($0) == expected) }
    for cut in 0...bytes.count {
      var state = cwire_utf8_state()
      let good = [bytes[..<cut], bytes[cut...]].allSatisfy { piece in
        withExactBytes(Array(piece)) { cwire_utf8_feed(&state, $0) }
      }
      #expect((good && cwire_utf8_at_rest(&state)) == expected, "cut after \(cut)")
    }
  }
}

@Suite("Base64 and header values")
struct Base64Tests {
  private func decode(_ text: String, _ alphabet: cwire_base64_alphabet = CWIRE_BASE64_STANDARD) -> String? {
    decoded(text.utf8.count) { cwire_base64_decode(span(text), alphabet, $0, $1) }
  }

  private func decoded(_ capacity: Int, _ body: (UnsafeMutablePointer<UInt8>?, Int) -> Int) -> String? {
    withUnsafeTemporaryAllocation(byteCount: max(1, capacity), alignment: 1) { buffer in
      let out = buffer.bindMemory(to: UInt8.self).baseAddress
      let length = body(out, capacity)
      return length < 0 ? nil : string(cwire_span_make(out, length))
    }
  }

  private func encode(_ text: String, _ alphabet: cwire_base64_alphabet = CWIRE_BASE64_STANDARD) -> String? {
    written(capacity: cwire_base64_encoded_length(text.utf8.count, alphabet)) {
      cwire_base64_put($0, span(text), alphabet)
    }.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(
    "the examples of RFC 4648 section 10",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ])
  func examples(plain: String, text: String) {
    #expect(encode(plain) == text)
    #expect(decode(text) == plain)
    let unpadded = text.filter { $0 != "=" }
    #expect(encode(plain, CWIRE_BASE64_URL) == unpadded)
    #expect(decode(unpadded, CWIRE_BASE64_URL) == plain)
  }

  @Test(
    "bad padding, letters of the other alphabet and loose bits are refused",
    arguments: [
      "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "=", "====", "Z=g=", "Zm 9", "Zm\n9", "_-_-", "Zm9\0",
    ])
  func malformed(text: String) {
    #expect(decode(text) == nil)
  }

  @Test("the URL alphabet takes neither padding nor + and /", arguments: ["Zg==", "+/+/", "Zh", "A"])
  func malformedURL(text: String) {
    #expect(decode(text, CWIRE_BASE64_URL) == nil)
  }

  private func header(_ value: String) -> String? {
    decoded(value.utf8.count) { cwire_mcp_header_decode(span(value), $0, $1) }
  }

  private func headerValue(_ text: String) -> String? {
    written(capacity: cwire_mcp_header_encoded_length(span(text))) { cwire_mcp_header_put($0, span(text)) }
      .map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(
    "text that a header can't carry is wrapped, and comes back",
    arguments: [
      ("get_weather", "get_weather"), ("a b", "a b"), ("", ""), ("t \u{e9}", "=?base64?dCDDqQ==?="),
      (" name", "=?base64?IG5hbWU=?="), ("a\tb", "=?base64?YQli?="), ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
      ("=?base64?x", "=?base64?x"), ("x?=", "x?="), ("a\r\nb", "=?base64?YQ0KYg==?="),
    ])
  func headers(text: String, value: String) {
    #expect(headerValue(text) == value)
    #expect(header(value) == text)
  }

  @Test("blanks around a value are dropped, and half a sentinel stands for itself")
  func lenient() {
    #expect(header("  name \t") == "name")
    #expect(header("  =?base64?Zm9v?= ") == "foo")
    #expect(header("=?base64?Zm9v") == "=?base64?Zm9v")
    #expect(header("=?BASE64?Zm9v?=") == "=?BASE64?Zm9v?=")
    #expect(header("=?base64??=") == "")
    #expect(header("=?base64?=") == "=?base64?=")
  }

  @Test(
    "bad padding, a bad alphabet and bytes that are not text are refused",
    arguments: ["=?base64?Zg=?=", "=?base64?Z-_v?=", "=?base64?/w==?=", "caf\u{e9}", "a\u{1}b"])
  func refused(value: String) {
    #expect(header(value) == nil)
  }
}

@Suite("Hashes")
struct HashTests {
  private let key = Array(UInt8(0)..<16)

  @Test("SipHash-2-4 gives the published vectors")
  func siphash() {
    // Aumasson and Bernstein, appendix A, and the reference implementation's vectors.h, for inputs 00, 00 01, …
    let expected: [(Int, UInt64)] = [
      (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (7, 0xab02_00f5_8b01_d137), (8, 0x93f5_f579_9a93_2462),
      (15, 0xa129_ca61_49be_45e5),
    ]
    for (count, hash) in expected {
      withExactBytes(Array(0..<UInt8(count))) { #expect(cwire_siphash64(key, $0) == hash, "\(count) bytes") }
    }
    var out = [UInt8](repeating: 0, count: 16)
    cwire_siphash128(key, cwire_span(), &out)
    let published: [UInt8] = [
      0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93,
    ]
    #expect(out == published)
  }

  @Test("the table hash spreads names that differ in one bit, in length or in a zero byte")
  func tableHash() {
    var seen: Set<UInt64> = []
    var low: Set<UInt64> = []
    for length in 0..<40 {
      let zeros = [UInt8](repeating: 0, count: length)
      withExactBytes(zeros) { _ = seen.insert(cwire_hash64($0)) }
      for bit in 0..<length * 8 {
        var bytes = zeros
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        withExactBytes(bytes) { span in
          seen.insert(cwire_hash64(span))
          low.insert(cwire_hash64(span) & 0xffff)
        }
      }
    }
    let total = 40 + 8 * (0..<40).reduce(0, +)
    #expect(seen.count == total)
    // 6,240 throws at 65,536 places leave about 5,950 taken.
    #expect(low.count > 5800)
  }

  @Test("a comparison in constant time compares")
  func constantTime() {
    #expect(cwire_equal_constant_time(span("abc"), span("abc")))
    #expect(cwire_equal_constant_time(cwire_span(), span("")))
    #expect(!cwire_equal_constant_time(span("abc"), span("abd")))
    #expect(!cwire_equal_constant_time(span("abc"), span("ab")))
  }
}
