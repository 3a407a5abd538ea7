import Routing
import Testing
import Wire

/// Who has named a URI in a result.
@Suite struct LearnedLinksTests {
  static let key = SipHash(key: InlineArray(repeating: 3))

  static func has(_ learned: LearnedLinks?, _ uri: String, _ upstream: Int = 0) -> Bool {
    let bytes = Array(uri.utf8)
    return learned?.has(bytes.rawBytes, upstream: upstream) == true
  }

  @Test("a URI that was learnt is known, of its upstream alone, and no other is")
  func known() {
    var learned = LearnedLinks(places: 16, key: Self.key)
    learned.learn(Array("x://1".utf8).rawBytes, upstream: 4)
    #expect(Self.has(learned, "x://1", 4))
    #expect(!Self.has(learned, "x://1", 3))
    for number in 2..<1002 { #expect(!Self.has(learned, "x://\(number)", 4)) }
  }

  @Test("a full table forgets old links for new ones, and another upstream's table nothing")
  func full() {
    var learned = LearnedLinks(places: 64, key: Self.key)
    learned.learn(Array("x://a".utf8).rawBytes, upstream: 0)
    for number in 0..<10_000 { learned.learn(Array("x://\(number)".utf8).rawBytes, upstream: 1) }
    #expect(Self.has(learned, "x://a", 0))
    #expect(Self.has(learned, "x://9999", 1))
    #expect((0..<10_000).count { Self.has(learned, "x://\($0)", 1) } <= 64)
  }

  @Test("as many links as there are places are kept but for those that meet in one")
  func grows() {
    var learned = LearnedLinks(places: 1024, key: Self.key)
    for number in 0..<256 { learned.learn(Array("x://\(number)".utf8).rawBytes, upstream: 0) }
    #expect((0..<256).count { Self.has(learned, "x://\($0)") } > 192)
  }

  @Test("what one principal was shown says nothing to another, and who was shown nothing for long is forgotten")
  func principals() {
    var links = PrincipalLinks<String>(most: 2, key: Self.key)
    links.learn(Array("x://1".utf8).rawBytes, upstream: 0, by: "ann")
    #expect(Self.has(links["ann"], "x://1"))
    #expect(links["bob"] == nil)
    links.learn(Array("x://2".utf8).rawBytes, upstream: 0, by: "bob")
    #expect(!Self.has(links["bob"], "x://1"))
    links.learn(Array("x://3".utf8).rawBytes, upstream: 0, by: "ann")
    links.learn(Array("x://4".utf8).rawBytes, upstream: 0, by: "eve")
    #expect(Self.has(links["ann"], "x://1") && Self.has(links["ann"], "x://3"))
    #expect(links["bob"] == nil)
  }
}
