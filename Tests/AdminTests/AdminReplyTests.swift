import Front
import Reactor
import Testing
import Wire

@testable import Admin

/// A gateway that says what the test wants.
private final class ScriptedView: GatewayView {
  let isDraining: Bool
  let isReady: Bool
  let figures: GatewayFigures

  init(isDraining: Bool = false, isReady: Bool = true, figures: GatewayFigures = GatewayFigures()) {
    self.isDraining = isDraining
    self.isReady = isReady
    self.figures = figures
  }
}

@Suite struct AdminReplyTests {
  private func answer(_ method: HTTPMethod, _ path: String, _ view: ScriptedView = ScriptedView()) -> AdminReply {
    RouteTable.all.answer(to: AdminRequest(method, path), view)
  }

  private func text(_ reply: AdminReply) -> String {
    guard case .whole(let bytes) = reply.content else { return "a stream" }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test("health is asked by either of two names")
  func health() {
    for path in ["/healthz", "/livez", "/healthz/"] {
      let reply = answer(.get, path, ScriptedView(isDraining: true, isReady: false))
      #expect(reply.status == 200)
      #expect(text(reply) == "ok\n")
      #expect("\(reply.contentType)" == "text/plain; charset=utf-8")
    }
  }

  @Test(
    "a gateway is ready once it serves and until it drains",
    arguments: [
      (false, true, UInt16(200), "ready\n"), (false, false, 503, "no server has answered yet\n"),
      (true, true, 503, "draining\n"), (true, false, 503, "draining\n"),
    ])
  func readiness(isDraining: Bool, isReady: Bool, status: UInt16, said: String) {
    let reply = answer(.head, "/readyz", ScriptedView(isDraining: isDraining, isReady: isReady))
    #expect(reply.status == status)
    #expect(text(reply) == said)
  }

  @Test("errors are problem details")
  func problems() {
    let unknown = answer(.get, "/nothing")
    #expect(unknown.status == 404)
    #expect("\(unknown.contentType)" == "application/problem+json")
    #expect(
      text(unknown)
        == #"{"detail":"here are /healthz, /livez, /readyz, /metrics","status":404,"title":"Not Found","type":"about:blank"}"#
    )
    let wrong = answer(.post, "/metrics")
    #expect(wrong.status == 405)
    #expect(wrong.headers == "Allow: GET, HEAD\r\n")
    #expect(
      text(wrong)
        == #"{"detail":"/metrics takes GET, HEAD","status":405,"title":"Method Not Allowed","type":"about:blank"}"#)
  }

  @Test("a handler gets the values of its path and what came with the request")
  func request() {
    var routes = RouteTable<AdminHandler>()
    routes.add(.post, "/echo/{name}") { request, _ in
      .text(
        200,
        "\(request.parameters["name"] ?? "") \(request.query ?? "") \(String(decoding: request.body, as: UTF8.self))")
    }
    let request = AdminRequest(.post, "/echo/a%20b", query: "c=d", body: Array("e".utf8))
    #expect(text(routes.answer(to: request, ScriptedView())) == "a b c=d e")
  }

  @Test("figures are told in the text format of Prometheus")
  func metrics() {
    var figures = GatewayFigures()
    figures.sessions = 7
    figures.reloads = ReloadCounts(lastSuccess: 12_345)
    figures.reloads.failed = 2
    figures.reloads.lastFailed = true
    figures.conflicts = 3
    figures.droppedLogLines = 4
    figures.reaperRestarts = 5
    figures.isDraining = true
    var upstream = UpstreamFigures(alias: "a")
    upstream.isReady = true
    upstream.isStopped = true
    upstream.hasFailed = true
    upstream.deaths = 12
    upstream.hasExcess = true
    upstream.droppedLogLines = 8
    upstream.droppedLogBytes = 9
    figures.upstreams = [upstream, UpstreamFigures(alias: "b")]
    var losses = LoopLosses()
    losses.relieved = 6
    losses.restless = 11
    figures.losses = [losses, LoopLosses()]
    let reply = answer(.get, "/metrics", ScriptedView(figures: figures))
    #expect("\(reply.contentType)" == "text/plain; version=0.0.4; charset=utf-8")
    let lines = text(reply).split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    #expect(
      lines == [
        #"sluice_config_reloads_total{result="success"} 0"#, #"sluice_config_reloads_total{result="failure"} 2"#,
        "sluice_config_last_reload_successful 0", "sluice_config_last_reload_success_timestamp_seconds 12",
        "sluice_sessions 7", #"sluice_upstream_ready{server="a"} 1"#, #"sluice_upstream_ready{server="b"} 0"#,
        #"sluice_upstream_stopped{server="a"} 1"#, #"sluice_upstream_stopped{server="b"} 0"#,
        #"sluice_upstream_failed{server="a"} 1"#, #"sluice_upstream_failed{server="b"} 0"#,
        #"sluice_upstream_child_deaths_total{server="a"} 12"#, #"sluice_upstream_child_deaths_total{server="b"} 0"#,
        "sluice_catalogue_conflicts 3", "sluice_log_lines_dropped_total 4",
        #"sluice_upstream_log_lines_dropped_total{server="a"} 8"#,
        #"sluice_upstream_log_lines_dropped_total{server="b"} 0"#,
        #"sluice_upstream_log_bytes_dropped_total{server="a"} 9"#,
        #"sluice_upstream_log_bytes_dropped_total{server="b"} 0"#,
        #"sluice_relieved_connections_total{worker="0"} 6"#, #"sluice_relieved_connections_total{worker="control"} 0"#,
        #"sluice_relieved_bytes_total{worker="0"} 0"#, #"sluice_relieved_bytes_total{worker="control"} 0"#,
        #"sluice_tls_restless_connections_total{worker="0"} 11"#,
        #"sluice_tls_restless_connections_total{worker="control"} 0"#, "sluice_reaper_restarts_total 5",
        #"sluice_upstream_lists_excessive{server="a"} 1"#, #"sluice_upstream_lists_excessive{server="b"} 0"#,
        "sluice_draining 1",
      ])
  }
}
