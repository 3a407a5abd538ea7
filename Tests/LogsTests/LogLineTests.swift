import Configuration
import Foundation
import Testing

@testable import Logs

@Suite struct LogLineTests {
  /// What stands behind time and level.
  private func text(_ message: String) -> String {
    let line = String(decoding: LogLine.encoded(.text, .info, message, []), as: UTF8.self)
    #expect(line.hasSuffix("\n"))
    return line.dropLast().split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).last.map(String.init)!
  }

  @Test(
    "what steers a terminal or a reader's eye is shown, not sent",
    arguments: [
      ("plain, b\"a\\ck and größer 🙂", "plain, b\"a\\ck and größer 🙂"), ("a\tb\nc\rd", "a\\tb\\nc\\rd"),
      ("\u{0}\u{1B}[31m\u{7F}", "\\u0000\\u001b[31m\\u007f"),
      ("\u{80}\u{9B}31m\u{9F}\u{A0}", "\\u0080\\u009b31m\\u009f\u{A0}"),
      ("\u{202E}gpj\u{202A}\u{2066}\u{2069}", "\\u202egpj\\u202a\\u2066\\u2069"),
      ("\u{200E}\u{200F}\u{061C}\u{200D}", "\\u200e\\u200f\\u061c\u{200D}"), ("a\u{2028}b\u{2029}", "a\\u2028b\\u2029"),
      ("\r\n", "\\r\\n"), ("", ""),
    ])
  func escapes(message: String, shown: String) { #expect(text(message) == shown) }

  @Test("a JSON record says the same, and is one line of JSON")
  func json() throws {
    let message = "\"\\\u{1B}\u{9B}\u{202E}\u{2028}\u{0}\n\u{7F}é"
    let line = LogLine.encoded(.json, .warning, message, [("server", "b\u{85}"), ("a", "1")])
    #expect(line.filter { $0 < 0x20 } == [0x0A])
    let record = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: String])
    #expect(record["message"] == message)
    #expect(record["level"] == "warning")
    #expect(record["server"] == "b\u{85}")
    #expect(record["a"] == "1")
    #expect(record["time"]?.hasSuffix("Z") == true)
    for hidden in ["\u{9B}", "\u{202E}", "\u{2028}", "\u{85}", "\u{7F}"] {
      #expect(!String(decoding: line, as: UTF8.self).unicodeScalars.contains(hidden.unicodeScalars.first!))
    }
  }
}
