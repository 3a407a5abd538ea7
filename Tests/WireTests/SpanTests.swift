import Testing
import Wire

@Suite struct SpanTests {
  @Test("text is found, compared and trimmed as bytes")
  func bytes() {
    let text = Array("abcabd".utf8)
    let span = text.rawBytes
    check(span.firstRange(of: "abd") == 3..<6)
    check(span.firstRange(of: "abe") == nil)
    check(span.firstRange(of: "abcabdx") == nil)
    check(span.firstIndex(of: 0x63) == 2)
    check(span.hasPrefix("abc") && span.hasSuffix("abd") && !span.hasPrefix("abcabdx"))
    check(span.equals("abcabd") && !span.equals("abcabe"))
    check(span.equalsIgnoringCase("ABCabd") && !span.equalsIgnoringCase("ABCab["))
    check(RawSpan().equals("") && RawSpan().equals(RawSpan()))
    let padded = Array(" \t a b\t ".utf8)
    check(padded.rawBytes.trimmed.text == "a b")
  }

  @Test("a decimal is digits alone and fits in 64 bits")
  func decimal() {
    for (text, value) in [
      ("0", 0), ("42", 42), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil), ("", nil),
      ("-1", nil), ("1a", nil), (" 1", nil), ("000000000000000000000", nil),
    ] as [(String, UInt64?)] {
      let bytes = Array(text.utf8)
      check(bytes.rawBytes.decimal == value)
    }
  }

  @Test("a slice finds its way back to the bytes it was taken from")
  func slices() {
    let text = Array("0123456789".utf8)
    let span = text.rawBytes
    let slice = Slice(offset: 3, length: 4)
    check(span[slice].text == "3456")
    check(span.slice(of: span[slice]) == slice)
    let other = Array("x".utf8)
    check(span.slice(of: other.rawBytes) == nil)
  }
}

@Suite struct JSONTests {
  @Test("items of objects and arrays are found by place, keys compare unescaped")
  func items() {
    let text = Array(#"{"a":1, "\u0062" : [true, "x"],"a":null}"#.utf8)
    let span = text.rawBytes
    var items = JSON.items(of: span)
    var seen: [String] = []
    while let item = items.next() {
      let isB = items.key(of: item, is: "b")
      seen.append((isB ? "b=" : span[item.key].text + "=") + items.value(of: item).text)
    }
    check(seen == ["a=1", #"b=[true, "x"]"#, "a=null"])
    check(!items.isMalformed)
    guard let b = JSON.find("b", in: span) else { return check(false, "b is there") }
    check(b.text == #"[true, "x"]"#)
    let none = JSON.find("c", in: span) == nil
    check(none)
  }

  @Test("a container that breaks off is told apart from one that ends")
  func malformed() {
    for text in [#"{"a":1,"#, "[1,]", #"{"a":01}"#, "3", ""] {
      let bytes = Array(text.utf8)
      var items = JSON.items(of: bytes.rawBytes)
      while items.next() != nil {}
      check(items.isMalformed, "\(text)")
    }
  }

  @Test("the id of a message is read from its last bytes where it stands last, and from no other place")
  func closingID() {
    func id(_ tail: String) -> UInt64? { JSON.closingID(Array(tail.utf8).rawBytes) }
    #expect(id(#"x"}]},"jsonrpc":"2.0","id":4503599627370495}"#) == 4_503_599_627_370_495)
    #expect(id(#"]}, "id" : 7 } "# + "\r") == 7)
    for tail in [
      "", "}", "7}", #""id":7}"#, #"{"id":7}"#, #","id":"7"}"#, #","id":7}}"#, #","id":-7}"#, #","id":1.7}"#,
      #","id":}"#,
      #","xid":7}"#, #","\"id":7}"#, #","id":99999999999999999999}"#, #","id":7,"a":1}"#, #","id":7"#,
    ] {
      #expect(id(tail) == nil, "\(tail)")
    }
  }

  @Test("scalars are read by their tokens")
  func scalars() {
    for (text, kind) in [
      ("{}", JSON.Kind.object), ("[]", .array), (#""""#, .string), ("-12", .integer), ("1.0", .number),
      ("1e3", .number),
      ("true", .true), ("false", .false), ("null", .null), ("", .none),
    ] {
      let bytes = Array(text.utf8)
      check(JSON.kind(of: bytes.rawBytes) == kind)
    }
    check(JSON.integer(Array("-9223372036854775808".utf8).rawBytes) == Int64.min)
    check(JSON.integer(Array("9223372036854775808".utf8).rawBytes) == nil)
    check(JSON.string(Array(#""a\ud83d\ude00\n""#.utf8).rawBytes) == "a😀\n")
    check(JSON.string(Array("3".utf8).rawBytes) == nil)
  }
}

@Suite struct SpliceTests {
  static func write(_ message: String, flatten: Bool = false, _ edit: (inout Splice) -> Void) -> String? {
    let bytes = Array(message.utf8)
    var splice = Splice()
    edit(&splice)
    var output = ByteBuffer()
    return splice.write(bytes.rawBytes, into: &output, flatten: flatten) ? output.bytes.text : nil
  }

  @Test("replacements, insertions and deletions come out in the order of the message")
  func edits() {
    check(
      Self.write("0123456789") {
        $0.replace(Slice(offset: 8, length: 2), with: "end")
        $0.replace(Slice(offset: 2, length: 3), with: "")
        $0.insert(at: 0) { $0.append("^") }
        $0.replace(Slice(offset: 6, length: 1), withDecimal: 42)
      } == "^015427end")
  }

  @Test("edits outside the message, or across each other, write nothing")
  func contradictions() {
    check(Self.write("0123") { $0.replace(Slice(offset: 3, length: 2), with: "x") } == nil)
    check(
      Self.write("0123") {
        $0.replace(Slice(offset: 0, length: 3), with: "x")
        $0.replace(Slice(offset: 2, length: 2), with: "y")
      } == nil)
  }

  @Test("line breaks between tokens become spaces")
  func flatten() {
    check(Self.write("{\r\n\"a\":\n\"\\n\"}", flatten: true) { _ in } == "{  \"a\": \"\\n\"}")
  }

  @Test("a splice is good for message after message, however many edits one had")
  func reuse() {
    var splice = Splice()
    let message = Array(String(repeating: "ab", count: 500).utf8)
    for _ in 0..<3 {
      splice.reset()
      for index in 0..<500 { splice.replace(Slice(offset: index * 2, length: 1), with: "xyz") }
      var output = ByteBuffer()
      let isWritten = splice.write(message.rawBytes, into: &output)
      check(isWritten)
      check(output.bytes.text == String(repeating: "xyzb", count: 500))
    }
    splice.reset()
    check(splice.isEmpty)
  }
}

@Suite struct ResponseRewriterTests {
  @Test("the end of the object is told, and nothing but blanks may follow it")
  func trailing() {
    let rewriter = ResponseRewriter(ResponseEdits())
    var output = ByteBuffer()
    let message = Array(#"{"jsonrpc":"2.0","id":1,"result":{}}"#.utf8)
    let progress = rewriter.feed((message + [0x0A, 0x20]).rawBytes, into: &output)
    #expect(progress == .complete(consumed: message.count + 2))
    check(output.bytes.array == message)
    #expect(rewriter.kind == .result)
    let more = rewriter.feed([0x7B].rawBytes, into: &output)
    #expect(more == .refused(code: -32700))
  }

  @Test("a request and malformed text are refused with their codes")
  func refused() {
    for (text, code) in [(#"{"jsonrpc":"2.0","id":1,"method":"x"}"#, -32600), (#"{"jsonrpc":]"#, -32700)] {
      let rewriter = ResponseRewriter(ResponseEdits())
      var output = ByteBuffer()
      check(rewriter.feed(Array(text.utf8).rawBytes, into: &output) == .refused(code: code))
      check(!rewriter.reason.isEmpty)
    }
  }
}
