import Catalogue
import MCP
import Testing
import Wire

/// Merging lists and writing them for each revision.
@Suite struct CatalogueTests {
  static let key = SipHash(key: InlineArray(repeating: 7))
  static let identity = Identity(name: "sluice", version: "1")

  static func lists(
    _ alias: String, _ revision: Revision = .r20251125, isHTTP: Bool = false, tools: [String] = [],
    resources: [String] = [], templates: [String] = [], prompts: [String] = [], extra: String = ""
  ) -> UpstreamLists {
    func page(_ name: String, _ entries: [String]) -> [[UInt8]] {
      [Array("{\"\(name)\":[\(entries.joined(separator: ", "))]\(extra)}".utf8)]
    }
    return UpstreamLists(
      alias: alias, revision: revision, isHTTP: isHTTP,
      pages: [
        .tools: page("tools", tools), .resources: page("resources", resources),
        .templates: page("resourceTemplates", templates), .prompts: page("prompts", prompts),
      ])
  }

  static func tool(_ name: String, _ rest: String = "") -> String {
    "{\"name\":\"\(name)\",\"inputSchema\":{\"type\":\"object\"}\(rest.isEmpty ? "" : "," + rest)}"
  }

  static func merge(
    _ lists: [UpstreamLists], _ policy: PrefixPolicy = .conditional
  ) -> Catalogue {
    CatalogueBuilder.merge(lists, policy: policy, identity: identity)
  }

  static func text(
    _ catalogue: Catalogue, _ kind: ListKind = .tools, view: CatalogueView = .all, _ revision: Revision = .r20251125,
    page: Int = 0, lifetime: UInt64 = 0
  ) -> String {
    var buffer = ByteBuffer()
    catalogue.append(
      kind, page: page, view: view, revision: revision, lifetime: lifetime, key: key, to: &buffer)
    let isValid = JSON.isValid(buffer.bytes)
    #expect(isValid)
    return buffer.bytes.text
  }

  @Test("one upstream's list passes byte for byte, but for line breaks between members")
  func passes() {
    let entry =
      "{\"x\" : 1.10, \"name\":\"a\\u0064d\",\r\n\"inputSchema\":{\"type\":\"object\",\"b\":9223372036854775808,\"a\":\"\\n\"}}"
    let catalogue = Self.merge([Self.lists("one", tools: [entry])])
    #expect(
      Self.text(catalogue)
        == #"{"tools":[{"x" : 1.10, "name":"a\u0064d",  "inputSchema":{"type":"object","b":9223372036854775808,"a":"\n"}}]}"#
    )
    #expect(catalogue.entries(.tools)[0].own == Array("add".utf8))
    #expect(catalogue.entries(.tools)[0].ownToken == Array(#""a\u0064d""#.utf8))
  }

  @Test(
    "names get the alias in front as the policy says",
    arguments: [
      (PrefixPolicy.conditional, 1, "add"), (.conditional, 2, "a__add"), (.always, 1, "a__add"), (.never, 2, "add"),
    ])
  func prefix(_ policy: PrefixPolicy, _ count: Int, _ exposed: String) {
    var lists = [Self.lists("a", tools: [Self.tool("add")], prompts: [#"{"name":"add"}"#])]
    if count == 2 { lists.append(Self.lists("b", tools: [Self.tool("sub")])) }
    let catalogue = Self.merge(lists, policy)
    #expect(Self.text(catalogue).contains("\"name\":\"\(exposed)\""))
    #expect(Self.text(catalogue, .prompts).contains("\"name\":\"\(exposed)\""))
    #expect(Self.text(catalogue, view: .only(upstream: 0)).contains(#""name":"add""#))
  }

  @Test("entries stand in the order of the servers, then in each server's own")
  func order() {
    let catalogue = Self.merge([
      Self.lists("z", tools: [Self.tool("b"), Self.tool("a")]), Self.lists("a", tools: [Self.tool("c")]),
    ])
    #expect(catalogue.entries(.tools).map { String(decoding: $0.exposed, as: UTF8.self) } == ["z__b", "z__a", "a__c"])
  }

  @Test("where two servers want a name the first keeps it and the other is renamed and reported")
  func collision() {
    let catalogue = Self.merge(
      [Self.lists("a", tools: [Self.tool("x")]), Self.lists("b", tools: [Self.tool("x")])], .never)
    #expect(catalogue.entries(.tools).map { String(decoding: $0.exposed, as: UTF8.self) } == ["x", "b__x"])
    #expect(catalogue.problems == [.renamed(alias: "b", kind: .tools, own: "x", exposed: "b__x")])
  }

  @Test("a server that has not answered yet keeps the names that it had, unseen, and no other gets them")
  func keptNames() {
    let mine = Self.lists(
      "a", tools: [Self.tool("x")], resources: [#"{"uri":"f:///1","name":"n"}"#],
      templates: [#"{"uriTemplate":"t://{x}","name":"n"}"#])
    let theirs = Self.lists(
      "b", tools: [Self.tool("x"), Self.tool("y")], resources: [#"{"uri":"f:///1","name":"n"}"#],
      templates: [#"{"uriTemplate":"t://{x}","name":"n"}"#])
    func exposed(_ catalogue: Catalogue, _ kind: ListKind, of upstream: Int) -> [String] {
      catalogue.entries(kind).filter { $0.upstream == upstream }.map { String(decoding: $0.exposed, as: UTF8.self) }
    }
    let before = Self.merge([mine, theirs], .never)
    var silent = UpstreamLists(alias: "a", revision: .r20251125, isHTTP: false, isFresh: false)
    silent.known = KnownNames(of: 0, in: before)
    let after = Self.merge([silent, theirs], .never)
    let bare = [
      (ListKind.tools, #""name":"x""#), (.resources, #""uri":"f:///1""#), (.templates, #""uriTemplate":"t://{x}""#),
    ]
    for (kind, name) in bare {
      #expect(Self.text(before, kind).contains(name) && !Self.text(after, kind).contains(name))
      #expect(exposed(after, kind, of: 1) == exposed(before, kind, of: 1))
      #expect(exposed(after, kind, of: 0) == exposed(before, kind, of: 0))
    }
    // What it says itself counts as soon as it says anything.
    silent.pages = [.tools: [Array(#"{"tools":[]}"#.utf8)]]
    #expect(exposed(Self.merge([silent, theirs], .never), .tools, of: 1) == ["x", "y"])
    // Who comes first in the configuration has its names in any case.
    #expect(exposed(Self.merge([theirs, silent], .never), .tools, of: 0) == ["x", "y"])
  }

  @Test("a prefixed name that its server has by itself gets a suffix that stays the same")
  func collisionOfPrefixed() {
    let lists = [
      Self.lists("a", tools: [Self.tool("x")]), Self.lists("b", tools: [Self.tool("b__x"), Self.tool("x")]),
    ]
    let exposed = Self.exposed(Self.merge(lists, .never), .tools)
    #expect(exposed.count == 3)
    #expect(exposed[2].hasPrefix("b__x_"))
    #expect(exposed[2].utf8.count == "b__x_".utf8.count + 8)
    #expect(exposed == Self.exposed(Self.merge(lists, .never), .tools))
  }

  @Test("names that a server has in the other era only are kept for it, unseen, so that none depends on the era")
  func reserved() {
    let (modern, legacy) = (["both", "new"], ["both", "old"])
    func first(_ names: [String], besides: [String]) -> UpstreamLists {
      var lists = Self.lists("a", tools: names.map { Self.tool($0) })
      lists.reserved = KnownNames(of: Self.lists("a", tools: besides.map { Self.tool($0) }))
      return lists
    }
    let other = Self.lists("b", tools: ["old", "new", "own"].map { Self.tool($0) })
    for (names, besides) in [(modern, legacy), (legacy, modern)] {
      let catalogue = Self.merge([first(names, besides: besides), other], .never)
      #expect(Self.exposed(catalogue, .tools, of: 1) == ["b__old", "b__new", "own"])
      // Calls to any of them are its own.
      #expect(Set(Self.exposed(catalogue, .tools, of: 0)) == ["both", "new", "old"])
      let page = Self.text(catalogue, .tools)
      for name in names { #expect(page.contains("\"\(name)\"")) }
      for name in besides where !names.contains(name) { #expect(!page.contains("\"\(name)\"")) }
    }
  }

  private static func exposed(_ catalogue: Catalogue, _ kind: ListKind, of upstream: Int? = nil) -> [String] {
    catalogue.entries(kind).filter { upstream == nil || $0.upstream == upstream }.map {
      String(decoding: $0.exposed, as: UTF8.self)
    }
  }

  @Test(
    "no server takes a name that begins with another's alias, be it a shortened one, wherever it comes in the configuration",
    arguments: [ListKind.tools, .prompts], ["x", String(repeating: "long", count: 20)])
  func prefixOfAnother(_ kind: ListKind, _ name: String) {
    let entry: (String) -> String = { #"{"name":"\#($0)","inputSchema":{"type":"object"}}"# }
    func lists(_ alias: String, _ names: [String]) -> UpstreamLists {
      kind == .tools
        ? Self.lists(alias, tools: names.map(entry)) : Self.lists(alias, prompts: names.map(entry))
    }
    // What the second of two that want a name gets, and what it gets where that is taken.
    let plain = Self.exposed(Self.merge([lists("a", [name]), lists("mid", [name])], .never), kind, of: 1)
    let digest = Self.exposed(Self.merge([lists("a", [name]), lists("mid", [plain[0], name])], .never), kind, of: 1)[1]
    #expect(plain[0].hasPrefix("mid__") && digest.hasPrefix("mid__") && digest != plain[0])
    let evil = [name, plain[0], digest]
    let first = Self.merge([lists("evil", evil), lists("mid", [name])], .never)
    #expect(Self.exposed(first, kind, of: 1) == plain)
    #expect(Self.exposed(first, kind, of: 0).dropFirst().allSatisfy { $0.hasPrefix("evil__") })
    #expect(
      first.problems.contains(
        .prefixedAsAnothers(
          alias: "evil", kind: kind, own: plain[0], other: "mid", exposed: Self.exposed(first, kind, of: 0)[1])))
    let last = Self.merge([lists("mid", [name]), lists("evil", evil)], .never)
    #expect(Self.exposed(last, kind, of: 0) == [name])
    #expect(Self.exposed(last, kind, of: 1).allSatisfy { $0.hasPrefix("evil__") })
    // What begins with its own is its own.
    #expect(Self.exposed(Self.merge([lists("a", []), lists("mid", ["mid__x"])], .never), kind) == ["mid__x"])
  }

  @Test(
    "of two aliases of which one is the other with an underscore, each has its own names",
    arguments: PrefixPolicy.allCases)
  func underscores(_ policy: PrefixPolicy) {
    let lists = [
      Self.lists("a", tools: [Self.tool("_x"), Self.tool("a___x")]), Self.lists("a_", tools: [Self.tool("x")]),
    ]
    let merged = Self.merge(lists, policy)
    let (mine, theirs) = (Self.exposed(merged, .tools, of: 0), Self.exposed(merged, .tools, of: 1))
    #expect(theirs == [policy == .never ? "x" : "a___x"])
    #expect(mine == (policy == .never ? ["_x", "a__a___x"] : ["a__a___x"]))
  }

  @Test("a name that comes twice from one server is shown once and reported")
  func duplicate() {
    let catalogue = Self.merge([Self.lists("a", tools: [Self.tool("x"), Self.tool("x")])])
    #expect(catalogue.entries(.tools).count == 1)
    #expect(catalogue.problems == [.duplicate(alias: "a", kind: .tools, own: "x")])
  }

  @Test("a name of more than 64 characters ends in 8 digits of its SHA-256")
  func longName() {
    let long = String(repeating: "x", count: 62)
    let catalogue = Self.merge([Self.lists("a", tools: [Self.tool(long)]), Self.lists("b")])
    let exposed = String(decoding: catalogue.entries(.tools)[0].exposed, as: UTF8.self)
    // printf 'a__xxx…' | sha256sum
    #expect(exposed == "a__" + String(repeating: "x", count: 52) + "_" + Self.longNameDigest)
    #expect(exposed.count == 64)
    let fits = Self.merge([Self.lists("a", tools: [Self.tool(String(long.dropLast()))]), Self.lists("b")])
    #expect(fits.entries(.tools)[0].exposed.count == 64)
    #expect(fits.entries(.tools)[0].exposed.last == UInt8(ascii: "x"))
  }
  static let longNameDigest = "963534d8"

  @Test("entries without identity are left out and reported")
  func malformed() {
    let catalogue = Self.merge([Self.lists("a", tools: ["{}", "3", #"{"name":4}"#, Self.tool("x")])])
    #expect(catalogue.entries(.tools).count == 1)
    #expect(catalogue.problems.count == 3)
  }

  @Test("entries whose name is empty, or longer than any client could want, are left out and reported")
  func unusable() {
    let fits = String(repeating: "é", count: 512)
    let tools = ["", fits + "x", fits].map { Self.tool($0) }
    let catalogue = Self.merge(
      [Self.lists("a", tools: tools, resources: [#"{"uri":"","name":"n"}"#], prompts: [#"{"name":""}"#])])
    #expect(catalogue.entries(.tools).map { String(decoding: $0.exposed, as: UTF8.self) } == [fits])
    #expect(catalogue.entries(.prompts).isEmpty && catalogue.entries(.resources).isEmpty)
    #expect(
      catalogue.problems == [
        .unusable(alias: "a", kind: .tools), .unusable(alias: "a", kind: .tools),
        .unusable(alias: "a", kind: .resources), .unusable(alias: "a", kind: .prompts),
      ])
  }

  @Test("a URI that another server owns is marked in its query, before the fragment")
  func resourceCollision() {
    for (uri, marked) in [
      ("file:///a", "file:///a?sluice-server=b"), ("x:a?q=1", "x:a?q=1&sluice-server=b"),
      ("x:a#f", "x:a?sluice-server=b#f"),
    ] {
      let entry = "{\"uri\":\"\(uri)\",\"name\":\"n\"}"
      let catalogue = Self.merge([Self.lists("a", resources: [entry]), Self.lists("b", resources: [entry])])
      #expect(catalogue.entries(.resources).map { String(decoding: $0.exposed, as: UTF8.self) } == [uri, marked])
      #expect(Self.text(catalogue, .resources).contains("\"uri\":\"\(marked)\""))
      #expect(Self.text(catalogue, .resources, view: .only(upstream: 1)).contains("\"uri\":\"\(uri)\""))
      #expect(catalogue.upstreams.map(\.marksResources) == [false, true])
      let bytes = Array(marked.utf8)
      let range = ResourceTag.range(in: bytes.rawBytes, alias: Array("b".utf8).rawBytes)
      var back = bytes
      if let range { back.removeSubrange(range.range) }
      #expect(back == Array(uri.utf8))
    }
  }

  @Test("what carries the mark of another server is left out and reported, and takes no name from that server")
  func anothersMark() {
    for (kind, member, uri) in [(ListKind.resources, "uri", "f:///1"), (.templates, "uriTemplate", "t://{x}")] {
      func lists(_ alias: String, _ uris: [String]) -> UpstreamLists {
        let entries = uris.map { #"{"\#(member)":"\#($0)","name":"n"}"# }
        return kind == .resources
          ? Self.lists(alias, resources: entries) : Self.lists(alias, templates: entries)
      }
      func exposed(_ catalogue: Catalogue) -> [String] {
        catalogue.entries(kind).map { "\($0.upstream) " + String(decoding: $0.exposed, as: UTF8.self) }
      }
      let taken = [
        "\(uri)?sluice-server=mid", "x:1?sluice-server=evil&sluice-server=good", "x:2?q=1&sluice-server=mid#f",
      ]
      let good = lists("good", [uri])
      let mid = lists("mid", [uri])
      // Marks of itself and of nobody are its own affair.
      let evil = lists("evil", taken + ["x:3?sluice-server=evil", "x:4?sluice-server=middle"])
      let catalogue = Self.merge([evil, good, mid])
      #expect(
        exposed(catalogue) == [
          "0 x:3?sluice-server=evil", "0 x:4?sluice-server=middle", "1 \(uri)", "2 \(uri)?sluice-server=mid",
        ])
      #expect(
        catalogue.problems
          == zip(taken, ["mid", "good", "mid"]).map {
            .markedAsAnothers(alias: "evil", kind: kind, own: $0, other: $1)
          } + [.renamed(alias: "mid", kind: kind, own: uri, exposed: "\(uri)?sluice-server=mid")])
      #expect(!Self.text(catalogue, kind).contains("sluice-server=good"))
      // Nor does it keep such a name from before while it is silent.
      var silent = UpstreamLists(alias: "evil", revision: .r20251125, isHTTP: false, isFresh: false)
      silent.known = KnownNames(of: 0, in: Self.merge([evil]))
      #expect(silent.known.tokens[kind]?.count == 5)
      #expect(exposed(Self.merge([silent, good, mid])) == exposed(catalogue))
    }
  }

  @Test("each revision class sees the members that it knows")
  func revisions() {
    let entry = Self.tool(
      "t",
      #""title":"T","annotations":{"readOnlyHint":true},"outputSchema":{"type":"object"},"execution":{"taskSupport":"optional"},"icons":[],"_meta":{"v":1}"#
    )
    let catalogue = Self.merge([Self.lists("a", tools: [entry])])
    let common = #"{"name":"t","inputSchema":{"type":"object"},"#
    #expect(Self.text(catalogue, .tools, .r20241105) == #"{"tools":[\#(common)"icons":[],"_meta":{"v":1}}]}"#)
    #expect(
      Self.text(catalogue, .tools, .r20250326)
        == #"{"tools":[\#(common)"annotations":{"title":"T","readOnlyHint":true},"icons":[],"_meta":{"v":1}}]}"#)
    let full =
      #"\#(common)"title":"T","annotations":{"readOnlyHint":true},"outputSchema":{"type":"object"},"icons":[],"_meta":{"v":1}}"#
    for revision in [Revision.r20250618, .r20251125] {
      #expect(Self.text(catalogue, .tools, revision) == #"{"tools":[\#(full)]}"#)
    }
    #expect(
      Self.text(catalogue, .tools, .r20260728)
        == #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[\#(full)],"#
        + #""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"sluice","version":"1"}}}"#)
  }

  @Test("a title makes annotations for 2025-03-26, and stays out where there is one")
  func title() {
    let catalogue = Self.merge([
      Self.lists(
        "a", tools: [Self.tool("x", #""title":"X""#), Self.tool("y", #""annotations":{"title":"A"},"title":"Y""#)])
    ])
    let text = Self.text(catalogue, .tools, .r20250326)
    #expect(text.contains(#"{"annotations":{"title":"X"},"name":"x""#))
    #expect(text.contains(#""annotations":{"title":"A"}}"#))
    #expect(!text.contains(#""title":"Y""#))
  }

  @Test("an output schema that is no object reaches modern clients alone")
  func nonObjectOutput() {
    let catalogue = Self.merge([
      Self.lists("a", .r20260728, tools: [Self.tool("x", #""outputSchema":{"type":"array"}"#)])
    ])
    #expect(!Self.text(catalogue, .tools, .r20251125).contains("outputSchema"))
    #expect(Self.text(catalogue, .tools, .r20260728).contains("outputSchema"))
    #expect(catalogue.entries(.tools)[0].hasNonObjectOutput)
  }

  @Test("the members that only other kinds have are left alone")
  func promptTitle() {
    let catalogue = Self.merge([Self.lists("a", prompts: [#"{"name":"p","title":"P","annotations":{}}"#])])
    #expect(Self.text(catalogue, .prompts, .r20250326) == #"{"prompts":[{"name":"p","annotations":{}}]}"#)
    #expect(Self.text(catalogue, .prompts, .r20250618) == #"{"prompts":[{"name":"p","title":"P","annotations":{}}]}"#)
  }

  @Test("pages hold at most 1,000 entries, and cursors lead through all of them")
  func pages() throws {
    let tools = (0..<2500).map { Self.tool("t\($0)") }
    let catalogue = Self.merge([Self.lists("a", tools: tools)])
    #expect(catalogue.pageCount(.tools, view: .all, revision: .r20251125) == 3)
    var page = 0
    var seen = 0
    for _ in 0..<3 {
      let bytes = Array(Self.text(catalogue, page: page).utf8)
      var items = JSON.items(of: JSON.find("tools", in: bytes.rawBytes)!)
      while items.next() != nil { seen += 1 }
      guard let cursor = JSON.find("nextCursor", in: bytes.rawBytes) else { break }
      page = try catalogue.page(
        at: JSON.contents(of: cursor), of: .tools, view: .all, revision: .r20251125, key: Self.key
      ).get()
    }
    #expect(page == 2)
    #expect(seen == 2500)
  }

  @Test("pages hold at most 512 KiB, unless one entry alone is larger")
  func largeEntries() {
    let description = #""description":"\#(String(repeating: "d", count: 300_000))""#
    let catalogue = Self.merge([
      Self.lists("a", tools: (0..<4).map { Self.tool("t\($0)", description) })
    ])
    #expect(catalogue.pageCount(.tools, view: .all, revision: .r20251125) == 4)
    let huge = #""description":"\#(String(repeating: "d", count: 700_000))""#
    let one = Self.merge([Self.lists("a", tools: [Self.tool("t", huge), Self.tool("u")])])
    #expect(one.pageCount(.tools, view: .all, revision: .r20251125) == 2)
  }

  @Test("an empty list is one empty page")
  func empty() {
    let catalogue = Self.merge([Self.lists("a")])
    #expect(Self.text(catalogue) == #"{"tools":[]}"#)
    #expect(Self.text(Self.merge([]), .resources) == #"{"resources":[]}"#)
  }

  @Test("a new look that brings nothing new gives the same catalogue, of the same epoch")
  func sameness() {
    let lists = [Self.lists("a", tools: [Self.tool("t")], prompts: ["{\"name\":\"p\"}"]), Self.lists("b")]
    let catalogue = Self.merge(lists)
    #expect(Self.merge(lists).isSame(as: catalogue))
    func epoch(_ lists: [UpstreamLists], _ kind: ListKind = .tools, _ view: CatalogueView = .all) -> UInt64? {
      Self.merge(lists).epoch(kind, view: view)
    }
    #expect(epoch(lists) == catalogue.epoch(.tools, view: .all))
    #expect(epoch(lists.reversed()) != epoch(lists))
    var others = lists
    others[1] = Self.lists("b", tools: [Self.tool("t", "\"title\":\"T\"")])
    #expect(!Self.merge(others).isSame(as: catalogue) && epoch(others) != epoch(lists))
    // Whoever is in the middle of another list, or of another server's, goes on.
    #expect(epoch(others, .prompts) == epoch(lists, .prompts))
    #expect(epoch(others, .tools, .only(upstream: 0)) == epoch(lists, .tools, .only(upstream: 0)))
    #expect(epoch(others, .tools, .only(upstream: 1)) != epoch(lists, .tools, .only(upstream: 1)))
    others = lists
    others[1].revision = .r20260728
    #expect(!Self.merge(others).isSame(as: catalogue))
  }

  @Test("a cursor that was altered, or is of another list, view, key or epoch, is refused")
  func cursors() throws {
    let tools = (0..<1500).map { Self.tool("t\($0)") }
    let prompts = (0..<1500).map { "{\"name\":\"p\($0)\"}" }
    let lists = [Self.lists("a", tools: tools, prompts: prompts), Self.lists("b")]
    let catalogue = Self.merge(lists)
    var buffer = ByteBuffer()
    Cursor(epoch: try #require(catalogue.epoch(.tools, view: .all)), kind: .tools, view: 0, page: 1).append(
      to: &buffer, key: Self.key)
    let good = buffer.bytes.array
    func page(
      _ cursor: [UInt8]?, _ kind: ListKind, _ view: CatalogueView, _ key: SipHash,
      _ catalogue: Catalogue
    ) -> Int? {
      if let cursor {
        return try? catalogue.page(at: cursor.rawBytes, of: kind, view: view, revision: .r20251125, key: key).get()
      }
      return try? catalogue.page(at: nil, of: kind, view: view, revision: .r20251125, key: key).get()
    }
    #expect(page(nil, .tools, .all, Self.key, catalogue) == 0)
    #expect(page(good, .tools, .all, Self.key, catalogue) == 1)
    #expect(page(good, .prompts, .all, Self.key, catalogue) == nil)
    #expect(page(good, .tools, .only(upstream: 0), Self.key, catalogue) == nil)
    #expect(page(good, .tools, .all, SipHash(key: InlineArray(repeating: 8)), catalogue) == nil)
    let others = Self.merge([Self.lists("a", tools: tools, prompts: prompts.reversed()), Self.lists("b")])
    #expect(page(good, .tools, .all, Self.key, others) == 1, "another list has changed")
    let other = Self.merge([Self.lists("a", tools: tools.reversed(), prompts: prompts), Self.lists("b")])
    #expect(page(good, .tools, .all, Self.key, other) == nil)
    #expect(page([], .tools, .all, Self.key, catalogue) == nil)
    for index in good.indices {
      var altered = good
      altered[index] = altered[index] == 0x41 ? 0x42 : 0x41
      #expect(page(altered, .tools, .all, Self.key, catalogue) == nil)
    }
  }

  @Test("public holds only where all say so that offer such a list, and a lifetime is what is given")
  func caching() {
    func merged(_ a: String, _ b: String, isFresh: Bool = true, lifetime: UInt64 = 0) -> String {
      var second = Self.lists("b", .r20260728, extra: b)
      second.isFresh = isFresh
      let catalogue = Self.merge([Self.lists("a", .r20260728, extra: a), second])
      return Self.text(catalogue, .tools, .r20260728, lifetime: lifetime)
    }
    let publicly = #","ttlMs":5000,"cacheScope":"public""#
    #expect(merged(publicly, publicly, lifetime: 4990).contains(#""ttlMs":4990,"cacheScope":"public""#))
    #expect(merged(publicly, #","cacheScope":"private""#).contains(#""ttlMs":0,"cacheScope":"private""#))
    #expect(merged(publicly, "").contains(#""cacheScope":"private""#))
    #expect(merged(publicly, publicly, isFresh: false).contains(#""cacheScope":"private""#))
    var without = Self.lists("b", .r20260728)
    without.pages[.tools] = []
    let catalogue = Self.merge([Self.lists("a", .r20260728, extra: publicly), without])
    #expect(Self.text(catalogue, .tools, .r20260728).contains(#""cacheScope":"public""#))
  }

  @Test("changes are told per view and kind")
  func changes() {
    let a = Self.lists("a", tools: [Self.tool("x")], prompts: [#"{"name":"p"}"#])
    let b = Self.lists("b", tools: [Self.tool("y")])
    let b2 = Self.lists(
      "b", tools: [Self.tool("y", #""description":"new""#)], resources: [#"{"uri":"x:1","name":"n"}"#])
    let old = Self.merge([a, b])
    let new = Self.merge([a, b2])
    #expect(new.changes(since: old, view: .all) == [.tools, .resources])
    #expect(new.changes(since: old, view: .only(upstream: 0)) == [])
    #expect(new.changes(since: old, view: .only(upstream: 1)) == [.tools, .resources])
    #expect(Self.merge([a, b]).changes(since: old, view: .all) == [])
  }

  @Test("10,000 tools merge, and every one is found")
  func manyTools() {
    let description = #""description":"\#(String(repeating: "d", count: 200))""#
    let tools = (0..<10_000).map { Self.tool("t\($0)", description) }
    let catalogue = Self.merge([Self.lists("a", tools: tools), Self.lists("b")])
    #expect(catalogue.entries(.tools).count == 10_000)
    #expect(catalogue.pageCount(.tools, view: .all, revision: .r20251125) == 10)
  }

  @Test("a tool with a bad annotation is hidden from modern clients, and from all if its server is modern HTTP")
  func hidden() {
    let bad = Self.tool("x").replacing("}}", with: #"},"x":1}"#)
      .replacing(#"{"type":"object"}"#, with: #"{"type":"object","properties":{"r":{"x-mcp-header":""}}}"#)
    for (revision, isHTTP, legacy) in [
      (Revision.r20251125, true, true), (.r20260728, false, true), (.r20260728, true, false),
    ] {
      let catalogue = Self.merge([Self.lists("a", revision, isHTTP: isHTTP, tools: [bad])])
      #expect(Self.text(catalogue, .tools, .r20251125).contains("x-mcp-header") == legacy)
      #expect(!Self.text(catalogue, .tools, .r20260728).contains("x-mcp-header"))
      #expect(catalogue.problems.count == 1)
    }
  }
}
