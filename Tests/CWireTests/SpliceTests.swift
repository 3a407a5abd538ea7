import CWire
import Testing

@Suite("Splices")
struct SpliceTests {
  /// Removes the members named in `removing` from the object that is the message, and puts `inserting` first.
  private func edit(_ text: String, removing: [String], inserting: String = "") -> String? {
    let message = span(text)
    var removed = removing.map { name in
      var member = cwire_json_member()
      return cwire_json_find(message, name, &member) ? member : cwire_json_member()
    }
    return splice(message) { edits in
      cwire_edits_object(edits, message, message, &removed, removed.count, span(inserting))
    }
  }

  private func splice(
    _ message: cwire_span, flatten: Bool = false, _ plan: (UnsafeMutablePointer<cwire_edits>) -> Void
  ) -> String? {
    withUnsafeTemporaryAllocation(of: cwire_edit.self, capacity: 16) { items in
      var edits = cwire_edits_make(items.baseAddress, 16)
      plan(&edits)
      let length = cwire_splice_prepare(&edits, message)
      guard length >= 0 else { return nil }
      let bytes = written(capacity: length) { cwire_splice_put($0, message, &edits, flatten) }
      #expect(bytes?.count == length)
      return bytes.map { String(decoding: $0, as: UTF8.self) }
    }
  }

  @Test(
    "whichever members are removed, in whatever order they are named, the commas come out right",
    arguments: 0..<16)
  func everySet(set: Int) {
    let members = [("a", "1"), ("b", "[2,3]"), ("c", "\"4\""), ("d", "{}")]
    let names = members.enumerated().filter { set >> $0.offset & 1 == 1 }.map(\.element.0)
    let left = members.filter { !names.contains($0.0) }
    for separator in [",", " , ", ",\n"] {
      for (open, close) in [("{", "}"), ("{ ", " }")] {
        let text = open + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: separator) + close
        for (inserted, first) in [("", []), ("\"z\":0,\"y\":0", [("z", "0"), ("y", "0")])] {
          for order in [names, names.reversed()] {
            let result = edit(text, removing: order, inserting: inserted) ?? ""
            #expect(items(result) == (first + left).map { "\($0.0)=\($0.1)" }, "\(text) without \(order): \(result)")
          }
        }
      }
    }
  }

  /// The members of an object, or nothing when it is malformed.
  private func items(_ text: String) -> [String]? {
    var iterator = cwire_json_iterator()
    var item = cwire_json_member()
    var items: [String] = []
    guard cwire_json_validate(span(text), 8, nil) == CWIRE_JSON_OK else { return nil }
    _ = cwire_json_iterate(&iterator, span(text), 8)
    while cwire_json_next(&iterator, &item) == CWIRE_JSON_OK {
      items.append("\(string(item.key))=\(string(item.value))")
    }
    return items
  }

  @Test("members that are absent are skipped, and an empty object takes an insertion")
  func absent() {
    #expect(edit(#"{"a":1}"#, removing: ["x"]) == #"{"a":1}"#)
    #expect(edit("{}", removing: ["x"], inserting: #""a":1"#) == #"{"a":1}"#)
    #expect(edit("{ }", removing: [], inserting: #""a":1"#) == #"{"a":1 }"#)
    #expect(edit("[1]", removing: []) == nil)
  }

  @Test("a member of another object is refused")
  func foreign() {
    let message = span(#"{"a":{"x":1},"b":{"y":2}}"#)
    var objects = [cwire_json_member(), cwire_json_member(), cwire_json_member()]
    #expect(cwire_json_find(message, "a", &objects[0]) && cwire_json_find(message, "b", &objects[1]))
    for (object, other) in [(0, 1), (1, 0)] {
      #expect(cwire_json_find(objects[other].value, other == 0 ? "x" : "y", &objects[2]))
      var member = objects[2]
      #expect(
        splice(message) { cwire_edits_object($0, message, objects[object].value, &member, 1, cwire_span()) } == nil)
    }
  }

  @Test("numbers, order and spacing of all else stay as they were")
  func untouched() {
    let text = #"{ "a" : 1.10, "b":18446744073709551616,"c":-0,  "d" : 1e400 , "e":"\u0041" }"#
    #expect(edit(text, removing: ["b"]) == #"{ "a" : 1.10, "c":-0,  "d" : 1e400 , "e":"\u0041" }"#)
  }

  private func replace(_ text: String, _ parts: [(Int, Int, String)], flatten: Bool = false) -> String? {
    let message = span(text)
    return splice(message, flatten: flatten) { edits in
      for (offset, length, replacement) in parts {
        cwire_edits_replace(edits, message, cwire_span_make(message.base + offset, length), span(replacement))
      }
    }
  }

  @Test("edits are applied by position, not by order")
  func order() {
    #expect(replace("abcdef", [(4, 1, "E"), (0, 1, ""), (2, 0, "++")]) == "b++cdEf")
    #expect(replace("abc", [(3, 0, "!"), (0, 0, "1"), (0, 0, "2"), (0, 1, "A")]) == "12Abc!")
    #expect(replace("abc", []) == "abc")
    #expect(replace("", [(0, 0, "x")]) == "x")
  }

  @Test("deletions that overlap delete together, and what lies within a deletion goes with it")
  func deletions() {
    #expect(replace("abcdef", [(1, 3, ""), (2, 3, "")]) == "af")
    #expect(replace("abcdef", [(1, 4, ""), (2, 1, "X"), (3, 0, "Y")]) == "af")
    #expect(replace("abcdef", [(1, 1, "X"), (1, 3, "")]) == "aef")
    #expect(replace("abcdef", [(1, 2, ""), (3, 2, ""), (3, 0, "+")]) == "a+f")
  }

  @Test("edits that contradict each other or lie outside are refused")
  func contradictions() {
    #expect(replace("abcdef", [(1, 3, "X"), (2, 3, "Y")]) == nil)
    #expect(replace("abcdef", [(1, 3, ""), (2, 3, "Y")]) == nil)
    #expect(replace("abcdef", [(1, 3, "X"), (2, 3, "")]) == nil)
    #expect(replace("abc", [(2, 2, "X")]) == nil)
    #expect(replace("abc", Array(repeating: (0, 0, "x"), count: 17)) == nil)
  }

  @Test("flattening turns line ends into spaces and keeps the length")
  func flatten() {
    let text = "{\r\n  \"a\": \"x\\n\",\n\"b\":\t1\r}"
    #expect(replace(text, [(text.utf8.count, 0, "")], flatten: true) == "{    \"a\": \"x\\n\", \"b\":\t1 }")
  }
}
