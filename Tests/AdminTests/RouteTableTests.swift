import Testing
import Wire

@testable import Admin

@Suite struct RouteTableTests {
  private let table: RouteTable<String> = {
    var table = RouteTable<String>()
    table.add(.get, "/api/clients", "list")
    table.add(.post, "/api/clients", "create")
    table.add(.get, "/api/clients/all", "all")
    table.add(.get, "/api/clients/{id}", "show")
    table.add(.delete, "/api/clients/{id}/calls/{call}", "cancel")
    return table
  }()

  private func found(_ method: HTTPMethod, _ path: String) -> String? {
    guard case .found(let handler, let parameters) = table.match(method, path) else { return nil }
    return ([handler] + parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
  }

  @Test(
    "a route is found by method and path, and its named segments are decoded",
    arguments: [
      (HTTPMethod.get, "/api/clients", "list"), (.post, "/api/clients", "create"), (.get, "/api/clients/", "list"),
      (.head, "/api/clients", "list"), (.get, "/api/clients/all", "all"), (.get, "/api/clients/7", "show id=7"),
      (.get, "/api/clients/a%2Fb%20%c3%a9", "show id=a/b é"),
      (.delete, "/api/clients/7/calls/x", "cancel call=x id=7"),
    ] as [(HTTPMethod, String, String)])
  func matches(method: HTTPMethod, path: String, route: String) {
    #expect(found(method, path) == route)
  }

  @Test(
    "what fits no pattern is unknown, whatever its method",
    arguments: [
      "/", "", "api/clients", "/api", "/api/clients//", "//api/clients", "/api/clients/%", "/api/clients/%4",
      "/api/clients/%zz", "/api/clients/%ff", "/api/clients/7/calls", "/API/clients",
    ])
  func unknown(path: String) {
    guard case .unknown = table.match(.get, path) else { return #expect(Bool(false), "\(path) is served") }
  }

  @Test(
    "a path that is there for other methods says for which",
    arguments: [
      (HTTPMethod.put, "/api/clients", "GET, HEAD, POST"), (.post, "/api/clients/7", "GET, HEAD"),
      (.get, "/api/clients/7/calls/x", "DELETE"), (.head, "/api/clients/7/calls/x", "DELETE"),
      (.other, "/api/clients/all", "GET, HEAD"),
    ] as [(HTTPMethod, String, String)])
  func wrongMethod(method: HTTPMethod, path: String, methods: String) {
    guard case .wrongMethod(let allowed) = table.match(method, path) else {
      return #expect(Bool(false), "\(path) is not refused")
    }
    #expect(allowed == methods)
  }

  @Test("each path is told once")
  func paths() {
    #expect(
      table.paths == ["/api/clients", "/api/clients/all", "/api/clients/{id}", "/api/clients/{id}/calls/{call}"])
  }
}
