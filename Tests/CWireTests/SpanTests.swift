import CWire
import Synchronization
import Testing

/// Where the bytes of every `span` are: what stays reachable, a leak check does not take for a leak.
private let spans = Mutex<[UInt]>([])

/// A span over the bytes of a text, which stay allocated for as long as the tests run.
func span(_ text: String) -> cwire_span {
  let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, text.utf8.count))
  _ = bytes.update(fromContentsOf: Array(text.utf8))
  spans.withLock { $0.append(UInt(bitPattern: bytes.baseAddress)) }
  return cwire_span_make(bytes.baseAddress, text.utf8.count)
}

/// The bytes of a span as text.
func string(_ span: cwire_span) -> String {
  String(decoding: UnsafeRawBufferPointer(start: span.base, count: span.length), as: UTF8.self)
}

@Suite("Spans")
struct SpanTests {
  @Test("letters are folded and nothing else")
  func ignoringCase() {
    #expect(cwire_span_equal_ignoring_case(span("Keep-Alive"), span("kEEP-aLIVE")))
    #expect(cwire_span_equal_ignoring_case(span(""), span("")))
    for (a, b) in [("@", "`"), ("[", "{"), ("^", "~"), ("a", "b"), ("a", "ab"), ("-", "\r"), ("\u{e4}", "\u{c4}")] {
      #expect(!cwire_span_equal_ignoring_case(span(a), span(b)), "\(a) \(b)")
    }
  }

  @Test(
    "a list gives its elements trimmed, empty ones too",
    arguments: [
      ("a", ["a"]), ("a,b", ["a", "b"]), (" a ,\tb c\t, d", ["a", "b c", "d"]), ("a,,b", ["a", "", "b"]),
      (",", ["", ""]),
      ("a,", ["a", ""]), ("", [""]),
    ])
  func elements(text: String, expected: [String]) {
    var list = span(text)
    var element = cwire_span()
    var elements: [String] = []
    while cwire_span_next_element(&list, &element) { elements.append(string(element)) }
    #expect(elements == expected)
  }

  @Test("decimal digits become a number, if they are all there is and it fits")
  func decimal() {
    var value: UInt64 = 7
    #expect(cwire_span_to_u64(span("18446744073709551615"), &value) && value == UInt64.max)
    #expect(cwire_span_to_u64(span("000"), &value) && value == 0)
    for text in ["", "18446744073709551616", "99999999999999999999999", "-1", "+1", "1 ", "0x1", "1a", "1.0"] {
      #expect(!cwire_span_to_u64(span(text), &value), "\(text)")
    }
    #expect(value == 0)
  }

  @Test("numbers of every length are read, and what is no digit is found wherever it stands among them")
  func digits() {
    var value: UInt64 = 0
    for length in 1...19 {
      let text = String("1234567890987654321".prefix(length))
      #expect(cwire_span_to_u64(span(text), &value) && value == UInt64(text), "\(text)")
      let nines = String(repeating: "9", count: length)
      #expect(cwire_span_to_u64(span(nines), &value) && value == UInt64(nines), "\(nines)")
      #expect(cwire_json_kind_of(span(text)) == CWIRE_JSON_INTEGER)
      for place in 0..<length {
        for byte in [0x00, 0x20, 0x2E, 0x2F, 0x3A, 0x40, 0x70, 0xB5, 0xFA, 0xFF] as [UInt8] {
          var bytes = Array(text.utf8)
          bytes[place] = byte
          bytes.withUnsafeBufferPointer { bytes in
            let span = cwire_span_make(bytes.baseAddress, bytes.count)
            #expect(!cwire_span_to_u64(span, &value), "\(byte) at \(place) of \(length)")
            #expect(cwire_json_kind_of(span) != CWIRE_JSON_INTEGER, "\(byte) at \(place) of \(length)")
          }
        }
      }
    }
  }

  @Test("dropping and taking stop at the end")
  func slices() {
    #expect(string(cwire_span_drop(span("abc"), 1)) == "bc")
    #expect(string(cwire_span_drop(span("abc"), 9)) == "")
    #expect(string(cwire_span_take(span("abc"), 2)) == "ab")
    #expect(string(cwire_span_take(span("abc"), 9)) == "abc")
    #expect(cwire_span_drop(cwire_span(), 3).base == nil)
    #expect(string(cwire_span_trim(span(" \ta b\t "))) == "a b")
    #expect(cwire_span_trim(span(" \t ")).length == 0)
  }
}
