internal import Front

/// What supervisors and load balancers ask: is it alive, may it get traffic.
enum Health {
  static func add(to routes: inout RouteTable<AdminHandler>) {
    for path in ["/healthz", "/livez"] { routes.add(.get, path) { _, _ in .text(200, "ok\n") } }
    routes.add(.get, "/readyz") { _, view in readiness(of: view) }
  }

  private static func readiness(of view: any GatewayView) -> AdminReply {
    if view.isDraining { return .text(503, "draining\n") }
    return view.isReady ? .text(200, "ready\n") : .text(503, "no server has answered yet\n")
  }
}
