import CWire
import Testing

@Suite("JSON")
struct JSONTests {
  @Test("every fixture gives its trace, however the input is cut", arguments: FixturePage.pages(in: "json"))
  func fixtures(page: FixturePage) throws {
    try page.check(["json": { pieces, options in JSONTrace.lines(pieces: pieces, options: options) }])
  }

  @Test("there are pages of fixtures")
  func pagesExist() {
    #expect(FixturePage.pages(in: "json").count >= 3)
  }

  @Test("reader and lexer agree at the depth limit and one beyond it", arguments: [1, 31, 32, 33, 128, 1023, 1024])
  func depth(limit: Int) {
    let atLimit = Array(repeating: UInt8(ascii: "["), count: limit) + Array(repeating: UInt8(ascii: "]"), count: limit)
    let beyond = [UInt8(ascii: "[")] + atLimit + [UInt8(ascii: "]")]
    let options = ["depth": "\(limit)"]
    #expect(JSONTrace.lines(pieces: atLimit.map { [$0] }, options: options).first == "array")
    #expect(JSONTrace.lines(pieces: beyond.map { [$0] }, options: options) == ["refused too_deep at \(limit)"])
  }

  @Test("no limit goes beyond the deepest that the reader has room for")
  func deepestLimit() {
    let limit = Int(CWIRE_JSON_DEPTH_MAX)
    let text = Array(repeating: UInt8(ascii: "["), count: limit + 1)
    #expect(JSONTrace.lines(pieces: [text], options: ["depth": "100000"]) == ["refused too_deep at \(limit)"])
  }

  @Test("integers are read where they fit, and nothing else is an integer")
  func integers() {
    var value: Int64 = 7
    for (text, number) in [
      ("0", 0), ("-0", 0), ("42", 42), ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min),
    ] {
      #expect(cwire_json_int64(span(text), &value) && value == number, "\(text)")
    }
    for text in ["", "-", "9223372036854775808", "-9223372036854775809", "1.0", "1e3", "1.10", "\"1\"", " 1", "null"] {
      #expect(!cwire_json_int64(span(text), &value), "\(text)")
    }
  }

  @Test("keys are compared by what they say, not by how they are spelled")
  func keys() {
    for key in ["name", #"na\u006de"#, #"\u006E\u0061\u006d\u0065"#] {
      #expect(cwire_json_key_equal(span(key), key != "name", span("name")), "\(key)")
    }
    #expect(cwire_json_key_equal(span(#"\ud83d\ude00\/"#), true, span("\u{1f600}/")))
    for key in [#"na\u006d"#, #"na\u006dex"#, #"na\u006De\u0000"#, #"\ud83d"#, #"\n\u0061me"#] {
      #expect(!cwire_json_key_equal(span(key), true, span("name")), "\(key)")
    }
  }

  @Test(
    "strings are unescaped",
    arguments: [
      (#""#, ""), (#"a\"\\\/\b\f\n\r\tz"#, "a\"\\/\u{8}\u{c}\n\r\tz"), (#"\u00e9\u4e2d"#, "\u{e9}\u{4e2d}"),
      (#"\ud83d\ude00"#, "\u{1f600}"), (#"\ud83d"#, "\u{fffd}"), (#"\ude00x"#, "\u{fffd}x"),
      (#"\ud83d\ud83d\ude00"#, "\u{fffd}\u{1f600}"), (#"\u0000"#, "\0"),
    ])
  func unescape(raw: String, expected: String) {
    let capacity = expected.utf8.count
    withUnsafeTemporaryAllocation(byteCount: capacity + 1, alignment: 1) { buffer in
      let out = buffer.bindMemory(to: UInt8.self).baseAddress
      #expect(cwire_json_unescape(span(raw), out, capacity) == capacity)
      #expect(string(cwire_span_make(out, capacity)) == expected)
      if capacity > 0 { #expect(cwire_json_unescape(span(raw), out, capacity - 1) == Int(bitPattern: UInt.max)) }
    }
  }

  @Test("a member is found by its name, however the key is spelled; the first of two")
  func find() {
    var member = cwire_json_member()
    #expect(cwire_json_find(span(#" {"a":1,"\u0062":2,"b":3} "#), "b", &member))
    #expect(string(member.value) == "2" && string(member.extent) == #""\u0062":2"#)
    #expect(!cwire_json_find(span(#"{"a":1}"#), "b", &member))
    #expect(!cwire_json_find(span("[1]"), "b", &member))
    #expect(!cwire_json_find(span(#"{"a":1,"#), "b", &member))
  }
}
