import Testing

@testable import Clusters

@Suite("Dot segments of a path")
struct DotSegmentsTests {
  @Test(
    "are taken out as a browser does, and nothing else is",
    arguments: [
      ("/a/b/c/./../../g", "/a/g"), ("/mid/content=5/../6", "/mid/6"), ("/", "/"), ("/.", "/"), ("/..", "/"),
      ("/../../a", "/a"), ("/a/.", "/a/"), ("/a/b/..", "/a/"), ("/a/./b", "/a/b"), ("/a//b/..", "/a//"),
      ("/.hidden/..x/x..", "/.hidden/..x/x.."), ("/a/..?q=/../b", "/?q=/../b"), ("/a?b/./c", "/a?b/./c"),
      ("/a/", "/a/"),
    ])
  func removed(_ target: String, _ left: String) {
    #expect(DotSegments.removed(from: target) == left)
    #expect(DotSegments.removed(from: left) == left, "none are left")
  }

  @Test("are none of a reference that has a scheme", arguments: ["http://h/", "mailto:a", "a+b-c.9:x", "Z:"])
  func schemes(_ reference: String) { #expect(DotSegments.hasScheme(reference)) }

  @Test(
    "belong to a reference without one, also where a colon stands further on",
    arguments: ["", "a", "/a:b", "a/b:c", "?a:b", ":a", "1a:b", "+a:b", "a_b:c", "ä:b", "./a:b"])
  func relative(_ reference: String) { #expect(!DotSegments.hasScheme(reference)) }
}
