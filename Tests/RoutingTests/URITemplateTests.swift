import Testing
import Wire

@testable import Routing

/// Which URIs a template takes (RFC 6570 section 3.2).
@Suite struct URITemplateTests {
  static func matches(_ template: String, _ uri: String, budget: Int = 1 << 20) -> Bool {
    let bytes = Array(uri.utf8)
    var budget = budget
    return URITemplate(Array(template.utf8)).matches(bytes.rawBytes, budget: &budget)
  }

  @Test(
    "a URI is taken if it could be an expansion",
    arguments: [
      ("a", ["a"], ["", "b", "aa"]),
      ("", [""], ["a"]),
      ("t://{x}", ["t://1", "t://", "t://a%2Fb", "t://a?b"], ["t:/1", "t://a/b", "u://1", "at://1"]),
      ("t://{x}/row", ["t://1/row", "t:///row"], ["t://1/2/row", "t://1/rows", "t://row", "t://1/ro"]),
      ("t://{+x}", ["t://", "t://a/b/c"], ["t:/a"]),
      ("{+any}", ["", "a", "a://b/c"], []),
      ("{x}", ["", "a:b"], ["a://b"]),
      ("t://{+x}/row/{id}", ["t://a/b/row/1", "t://row/row/row/1"], ["t://a/row/1/2", "t://row/1", "t://a/row"]),
      ("a{x}bc{y}c", ["abcc", "axbcyc", "abcbcc"], ["abc", "abbc", "ac", "axbcy"]),
      ("a{x}b{y}b", ["abb", "abxb", "axbyb"], ["ab", "b"]),
      ("a{x}{y}b", ["ab", "axyb"], ["a/b"]),
      ("t://d{?q,r}", ["t://d", "t://d?q=1&r=a/b"], ["t://dq=1", "t://d/e", "t://"]),
      ("t://d?a=1{&q}", ["t://d?a=1", "t://d?a=1&q=2"], ["t://d?a=12", "t://d"]),
      ("t://d{#part}", ["t://d", "t://d#a/b"], ["t://da"]),
      ("t://d{.ext}", ["t://d", "t://d.json"], ["t://djson", "t://d.a/b"]),
      ("t://d{;x}", ["t://d", "t://d;x=1"], ["t://dx"]),
      ("t://d{/x}", ["t://d", "t://d/a"], ["t://d/a/b", "t://da"]),
      ("t://d{/x*}", ["t://d", "t://d/a/b"], ["t://da"]),
      ("t://d{/x,y}z", ["t://dz", "t://d/a/bz"], ["t://d/a/b"]),
      ("t://{", ["t://{"], ["t://", "t://a"]),
      ("t://{}", ["t://a"], ["t://a/b"]),
    ])
  func table(_ template: String, _ taken: [String], _ refused: [String]) {
    for uri in taken { #expect(Self.matches(template, uri), "\(template) and \(uri)") }
    for uri in refused { #expect(!Self.matches(template, uri), "\(template) and \(uri)") }
  }

  @Test("a template takes the URI that it makes itself")
  func sample() {
    for template in ["t://{x}/row{?q}", "{+any}", "a{/b}c{.d}", "t://d{#x}", "plain"] {
      let sample = URITemplate(Array(template.utf8)).sample
      #expect(Self.matches(template, String(decoding: sample, as: UTF8.self)), "\(template)")
    }
  }

  @Test("a comparison that costs more than it may takes nothing, and takes the rest of the budget with it")
  func budget() {
    let template = URITemplate(Array(("{+a}" + String(repeating: "x", count: 400) + "y{b}").utf8))
    let uri = [UInt8](repeating: UInt8(ascii: "x"), count: 8000)
    var budget = 10_000
    let isTaken = template.matches(uri.rawBytes, budget: &budget)
    #expect(!isTaken && budget <= 0)
    #expect(Self.matches("t://{x}", "t://1", budget: 100))
    #expect(!Self.matches("t://{x}", "t://1", budget: 1))
    // It would be taken if that had not cost too much.
    let long = String(repeating: "x", count: 5000)
    #expect(Self.matches("{+a}xx{b}", long) && !Self.matches("{+a}xx{b}", long, budget: 5000))
  }

  @Test("a template or a URI that is longer than any takes nothing")
  func long() {
    let long = String(repeating: "x", count: 600)
    #expect(!Self.matches("t://{a}" + long, "t://1" + long))
    #expect(!Self.matches("t://{+a}", "t://" + String(repeating: "x", count: 9000)))
  }
}
