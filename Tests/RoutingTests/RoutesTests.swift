import Catalogue
import MCP
import Routing
import Testing
import Translation
import Wire

/// Which upstream answers.
@Suite struct RoutesTests {
  static func lists(_ alias: String, _ kind: ListKind, _ names: [String]) -> UpstreamLists {
    let (list, key) =
      switch kind {
      case .tools: ("tools", "name")
      case .prompts: ("prompts", "name")
      case .resources: ("resources", "uri")
      case .templates: ("resourceTemplates", "uriTemplate")
      }
    let entries = names.map { "{\"\(key)\":\"\($0)\",\"inputSchema\":{}}" }.joined(separator: ",")
    return UpstreamLists(
      alias: alias, revision: .r20251125, isHTTP: false, pages: [kind: [Array("{\"\(list)\":[\(entries)]}".utf8)]])
  }

  static func routes(
    _ lists: [UpstreamLists], _ policy: PrefixPolicy = .conditional, resourceServers: [Int] = []
  ) -> Routes {
    Routes(
      CatalogueBuilder.merge(lists, policy: policy, identity: Identity(name: "s", version: "1")),
      resourceServers: resourceServers)
  }

  static func tool(_ routes: Routes, _ name: String, _ view: CatalogueView = .all) -> Route? {
    try? routes.route(.tools, named: Array(name.utf8).rawBytes, view: view).get()
  }

  static func resource(
    _ routes: Routes, _ uri: String, _ view: CatalogueView = .all, learned: LearnedLinks? = nil
  ) -> Route? {
    try? routes.route(resource: Array(uri.utf8).rawBytes, view: view, learned: learned).get()
  }

  @Test("a listed name goes to its server under the server's own name")
  func listed() {
    let routes = Self.routes([Self.lists("a", .tools, ["x", "y"]), Self.lists("b", .tools, ["x", #"\u00e9"#])])
    #expect(Self.tool(routes, "a__x") == Route(upstream: 0, entry: 0, rename: .listed))
    #expect(Self.tool(routes, "b__x") == Route(upstream: 1, entry: 2, rename: .listed))
    #expect(Self.tool(routes, "b__é") == Route(upstream: 1, entry: 3, rename: .listed))
    #expect(routes.ownToken(.tools, 3) == Array(#""\u00e9""#.utf8))
  }

  @Test("a server's own view has its own names, listed or not")
  func ownView() {
    let routes = Self.routes([Self.lists("a", .tools, ["x"]), Self.lists("b", .tools, ["x"])])
    #expect(Self.tool(routes, "x", .only(upstream: 1)) == Route(upstream: 1, entry: 1))
    #expect(Self.tool(routes, "zzz", .only(upstream: 1)) == Route(upstream: 1))
    #expect(Self.tool(routes, "b__x", .only(upstream: 1)) == Route(upstream: 1))
  }

  @Test("an unknown name is forwarded where the server is unambiguous, else refused")
  func unknown() throws {
    let two = Self.routes([Self.lists("a", .tools, ["x"]), Self.lists("a-b", .tools, [])])
    #expect(Self.tool(two, "a__new") == Route(upstream: 0, rename: .cut(Slice(offset: 0, length: 3))))
    #expect(Self.tool(two, "a-b__new") == Route(upstream: 1, rename: .cut(Slice(offset: 0, length: 5))))
    for name in ["new", "c__new", "a__", "x"] { #expect(Self.tool(two, name) == nil, "\(name)") }
    guard case .failure(let error) = two.route(.tools, named: Array("new".utf8).rawBytes, view: .all) else {
      Issue.record("found")
      return
    }
    #expect(error.answer(to: .legacy).code == -32602)
    #expect(error.phrase.contains("new"))

    let one = Self.routes([Self.lists("a", .tools, ["x"])])
    #expect(Self.tool(one, "new") == Route(upstream: 0))
    #expect(Self.tool(one, "a__new") == Route(upstream: 0))
    let always = Self.routes([Self.lists("a", .tools, ["x"])], .always)
    #expect(Self.tool(always, "a__new") == Route(upstream: 0, rename: .cut(Slice(offset: 0, length: 3))))
    #expect(Self.tool(always, "new") == Route(upstream: 0))
  }

  @Test("a listed URI goes to its server, a marked one without its mark to the other")
  func resources() {
    let routes = Self.routes([
      Self.lists("a", .resources, ["f:///1"]), Self.lists("b", .resources, ["f:///1", "f:///2"]),
    ])
    #expect(Self.resource(routes, "f:///1") == Route(upstream: 0, entry: 0))
    #expect(Self.resource(routes, "f:///2") == Route(upstream: 1, entry: 2))
    #expect(Self.resource(routes, "f:///1?sluice-server=b") == Route(upstream: 1, entry: 1, rename: .listed))
    // Not listed, but marked in some result.
    #expect(
      Self.resource(routes, "f:///9?q=1&sluice-server=b")
        == Route(upstream: 1, rename: .cut(Slice(offset: 10, length: 16))))
    #expect(
      Self.resource(routes, "f:///9?sluice-server=b&q=1")
        == Route(upstream: 1, rename: .cut(Slice(offset: 7, length: 16))))
    #expect(Self.resource(routes, "f:///1", .only(upstream: 1)) == Route(upstream: 1, entry: 1))
  }

  @Test("a URI with a server's mark is read from that server, whoever lists it under the mark")
  func anothersMark() {
    let stolen = ["f:///1?sluice-server=good", "f:///1?sluice-server=mid", "t://{x}?sluice-server=mid"]
    for kind in [ListKind.resources, .templates] {
      let owned = kind == .resources ? "f:///1" : "t://{x}"
      let evil = Self.lists("evil", kind, stolen)
      let good = Self.lists("good", kind, [owned])
      let mid = Self.lists("mid", kind, [owned])
      for lists in [[good, mid, evil], [evil, good, mid], [good, evil, mid]] {
        let routes = Self.routes(lists)
        for uri in stolen + ["t://1?sluice-server=mid", "f:///9?sluice-server=good"] {
          let route = Self.resource(routes, uri)
          #expect(route.map { lists[$0.upstream].alias } == (uri.hasSuffix("good") ? "good" : "mid"), "\(uri)")
          let completed = try? routes.route(template: Array(uri.utf8).rawBytes, view: .all).get()
          #expect(completed?.upstream == route?.upstream, "\(uri)")
          let evilsClaim = routes.claim(of: Array(uri.utf8).rawBytes, by: lists.firstIndex { $0.alias == "evil" }!)
          #expect(evilsClaim == .anothers, "\(uri)")
        }
      }
    }
  }

  @Test("an unlisted URI goes by template, longest listed prefix, learned link, only resource server, in that order")
  func unlisted() {
    let lists = [
      Self.lists("a", .templates, ["db://{table}/row", "db://all/{+path}"]),
      Self.lists("b", .resources, ["f:///data/", "db://t"]), Self.lists("c", .resources, ["f:///data/deep"]),
      Self.lists("d", .templates, ["db://{table}/row/{id}", "db://all/deep/{id}"]),
    ]
    let routes = Self.routes(lists)
    #expect(Self.resource(routes, "db://t/row") == Route(upstream: 0))
    #expect(Self.resource(routes, "db://t/row/5") == Route(upstream: 3))
    #expect(Self.resource(routes, "db://t/other") == Route(upstream: 1))
    #expect(Self.resource(routes, "f:///data/x/y") == Route(upstream: 1))
    #expect(Self.resource(routes, "f:///data/deep/y") == Route(upstream: 2))
    #expect(Self.resource(routes, "f:///other") == nil)
    #expect(Self.resource(Self.routes(lists, resourceServers: [2]), "f:///other") == Route(upstream: 2))
    #expect(Self.resource(Self.routes(lists, resourceServers: [1, 2]), "f:///other") == nil)
  }

  @Test("of two templates that take a URI that of the first server in the configuration wins, however little it says")
  func firstTemplate() {
    let general = Self.lists("a", .templates, ["db://{+path}"])
    let special = Self.lists("b", .templates, ["db://users/{id}"])
    let all = Self.lists("c", .templates, ["{+any}"])
    #expect(Self.resource(Self.routes([general, special, all]), "db://users/1") == Route(upstream: 0))
    #expect(Self.resource(Self.routes([special, general, all]), "db://users/1") == Route(upstream: 0))
    #expect(Self.resource(Self.routes([special, general, all]), "db://groups/1") == Route(upstream: 1))
    #expect(Self.resource(Self.routes([special, general, all]), "x://1") == Route(upstream: 2))
  }

  static func learned(_ links: [(String, Int)], places: Int = 1024) -> LearnedLinks {
    var learned = LearnedLinks(places: places, key: SipHash(key: InlineArray(repeating: 1)))
    for (uri, upstream) in links { learned.learn(Array(uri.utf8).rawBytes, upstream: upstream) }
    return learned
  }

  @Test("what results have linked to contradicts no list, no template and no prefix")
  func linkedLast() {
    let routes = Self.routes([
      Self.lists("a", .templates, ["db://{table}/row"]), Self.lists("b", .resources, ["f:///data/", "db://t"]),
      Self.lists("c", .tools, ["x"]),
    ])
    for (uri, owner) in [("db://t/row", 0), ("db://t", 1), ("f:///data/x", 1)] {
      #expect(Self.resource(routes, uri, learned: Self.learned([(uri, 2)]))?.upstream == owner, "\(uri)")
    }
    #expect(Self.resource(routes, "new://1", learned: Self.learned([("new://1", 2)])) == Route(upstream: 2))
    #expect(Self.resource(routes, "new://2", learned: Self.learned([("new://1", 2)])) == nil)
    // Of several servers that have linked to it the first in the configuration, whoever did so first.
    for links in [[("new://1", 2), ("new://1", 0)], [("new://1", 0), ("new://1", 2)]] {
      #expect(Self.resource(routes, "new://1", learned: Self.learned(links)) == Route(upstream: 0))
    }
    // Rather than by the only server that has resources.
    let only = Self.routes(
      [Self.lists("a", .resources, ["f:///1"]), Self.lists("b", .tools, [])], resourceServers: [0])
    #expect(Self.resource(only, "new://1", learned: Self.learned([("new://1", 1)])) == Route(upstream: 1))
  }

  @Test("a resource that a server speaks of is its own by its lists, templates and prefixes, or another's, or nobody's")
  func claims() {
    let lists = [
      Self.lists("a", .resources, ["f:///data/", "f:///1"]), Self.lists("b", .resources, ["f:///1", "g:///b"]),
      Self.lists("c", .templates, ["db://{x}", "t://{x}"]), Self.lists("d", .templates, ["t://{x}"]),
    ]
    func claim(_ uri: String, _ upstream: Int, only: [Int] = []) -> ResourceClaim {
      Self.routes(lists, resourceServers: only).claim(of: Array(uri.utf8).rawBytes, by: upstream)
    }
    func own(_ uri: String) -> ResourceClaim { .own(exposed: Array(uri.utf8)) }
    #expect(claim("f:///1", 0) == own("f:///1"))
    #expect(claim("f:///1", 1) == own("f:///1?sluice-server=b"))
    #expect(claim("f:///1", 2) == .anothers)
    #expect(claim("f:///data/x", 0) == own("f:///data/x"))
    #expect(claim("f:///data/x", 1) == .anothers)
    #expect(claim("db://1", 2) == own("db://1"))
    #expect(claim("db://1", 0) == .anothers)
    #expect(claim("t://1", 2) == own("t://1"))
    #expect(claim("t://1", 3) == own("t://1?sluice-server=d"))
    #expect(claim("new://1", 0) == .nobodys)
    #expect(claim("new://1", 0, only: [0]) == own("new://1"))
    #expect(claim("new://1?sluice-server=b", 0) == .anothers)
    #expect(claim("f:///1", 9) == .anothers)
  }

  @Test("a URI or a listed prefix of any length and any number of slashes costs little to route")
  func long() {
    let slashes = String(repeating: "/", count: 8192)
    let routes = Self.routes([
      Self.lists("a", .resources, (1..<1000).map { "f:" + String(repeating: "/x", count: $0) }),
      Self.lists("b", .templates, ["f:{+a}/{b}/{c}y", "f:{+a}" + String(repeating: "{b}/", count: 600)]),
    ])
    #expect(Self.resource(routes, "f:" + String(repeating: "/x", count: 2000))?.upstream == 0)
    #expect(Self.resource(routes, "g:" + slashes) == nil)
    // Longer than any resource: nobody's.
    #expect(Self.resource(routes, "f:/x" + slashes) == nil)
    #expect(Self.resource(routes, "f:" + String(repeating: "/", count: 1 << 20)) == nil)
  }

  @Test("templates of two servers that take the same URIs are a conflict, once for each pair")
  func conflicts() {
    let routes = Self.routes([
      Self.lists("a", .templates, ["db://{+path}", "db://{x}"]),
      Self.lists("b", .templates, ["db://users/{id}", "db://groups/{id}", "own://{x}"]),
      Self.lists("c", .resources, ["db://users/1", "db://users/2", "other://1"]),
      Self.lists("d", .templates, ["other:///{x}"]),
    ])
    #expect(
      routes.conflicts() == [
        ResourceConflict(owner: "a", template: "db://{+path}", other: "b", claim: .template("db://users/{id}")),
        ResourceConflict(owner: "a", template: "db://{+path}", other: "c", claim: .listed("db://users/1")),
        ResourceConflict(owner: "b", template: "db://users/{id}", other: "c", claim: .listed("db://users/1")),
      ])
    let catchAll = Self.routes([
      Self.lists("a", .templates, ["db://users/{id}"]), Self.lists("b", .templates, ["{+any}"]),
    ])
    #expect(catchAll.conflicts().map(\.claim) == [.template("{+any}")])
  }

  @Test("a URI nobody owns is refused with the URI and a way to ask one server")
  func notFound() {
    let routes = Self.routes([Self.lists("a", .resources, []), Self.lists("b", .resources, [])])
    let uri = Array("x:\"1".utf8)
    guard case .failure(let error) = routes.route(resource: uri.rawBytes, view: .all, learned: nil) else {
      Issue.record("found")
      return
    }
    #expect(error.answer(to: .legacy).code == -32002)
    #expect(error.answer(to: .modern).code == -32602)
    var buffer = ByteBuffer()
    buffer.append(error, id: nil, to: .modern)
    let isValid = JSON.isValid(buffer.bytes)
    #expect(isValid)
    let text = buffer.bytes.text
    #expect(text.contains(#""uri":"x:\"1""#))
    #expect(text.contains("/mcp/{alias}"))
  }

  @Test("a completion's template goes to the server that lists it")
  func completion() {
    let routes = Self.routes([
      Self.lists("a", .templates, ["t://{x}"]), Self.lists("b", .templates, ["u://{x}", "t://{x}"]),
    ])
    func route(_ uri: String) -> Route? {
      try? routes.route(template: Array(uri.utf8).rawBytes, view: .all, learned: nil).get()
    }
    #expect(route("t://{x}") == Route(upstream: 0))
    #expect(route("u://{x}") == Route(upstream: 1))
    #expect(route("t://{x}?sluice-server=b")?.upstream == 1)
    #expect(route("u://5") == Route(upstream: 1))
  }

  @Test("every one of 10,000 names is found, and no other")
  func many() {
    let routes = Self.routes([Self.lists("a", .tools, (0..<10_000).map { "tool-\($0)" }), Self.lists("b", .tools, [])])
    for index in 0..<10_000 { #expect(Self.tool(routes, "a__tool-\(index)")?.entry == index) }
    #expect(Self.tool(routes, "tool-1") == nil)
  }
}
