public import Front

extension RouteTable where Handler == AdminHandler {
  /// Everything that is served.
  public static var all: RouteTable {
    var routes = RouteTable()
    Health.add(to: &routes)
    MetricsPage.add(to: &routes)
    return routes
  }

  /// What a request is answered; an error where nothing is served.
  public func answer(to request: AdminRequest, _ view: any GatewayView) -> AdminReply {
    switch match(request.method, request.path) {
    case .found(let handler, let parameters):
      var request = request
      request.parameters = parameters
      return handler(request, view)
    case .wrongMethod(let allowed):
      return .problem(Problem(405, "Method Not Allowed", detail: "\(request.path) takes \(allowed)"))
        .with(header: "Allow", allowed)
    case .unknown:
      return .problem(Problem(404, "Not Found", detail: "here are \(paths.joined(separator: ", "))"))
    }
  }
}
