import Testing

@testable import Front

@Suite("What proxies have taken away from a path")
struct ForwardedPrefixTests {
  private func prefix(_ lines: String...) -> String? {
    ForwardedPrefix(lines.map { Array($0.utf8) }).map { String(decoding: $0.path, as: UTF8.self) }
  }

  @Test("is put together from what each of them says")
  func meant() {
    #expect(prefix("/tools") == "/tools")
    #expect(prefix(" /tools/ ") == "/tools")
    #expect(prefix("/a/b%20c~") == "/a/b%20c~")
    #expect(prefix("/outer, /inner/") == "/outer/inner")
    #expect(prefix("/outer", "/inner") == "/outer/inner")
  }

  @Test(
    "never leads to another host, and never anywhere but down",
    arguments: [
      "", "/", ",", "tools", "//evil.example", "/a//b", "/..", "/a/../b", "/a/.", "http://evil.example/", "/a?b",
      "/a#b",
      "/a\\b", "/a b", "/a\u{7F}", "/ä", "/\"x", "/" + String(repeating: "a", count: 1024), "/a,b",
    ])
  func notMeant(text: String) {
    #expect(prefix(text) == nil)
  }
}
