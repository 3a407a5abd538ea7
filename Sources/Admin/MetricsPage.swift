internal import Front
internal import Reactor
internal import Workers

/// What is counted so far, in the text format of Prometheus.
struct MetricsPage {
  private(set) var text = ""

  static func add(to routes: inout RouteTable<AdminHandler>) {
    routes.add(.get, "/metrics") { _, view in
      AdminReply(200, "text/plain; version=0.0.4; charset=utf-8", .whole(Array(MetricsPage(view.figures).text.utf8)))
    }
  }

  init(_ figures: GatewayFigures) {
    let reloads = figures.reloads
    describe("sluice_config_reloads_total", "counter", "Reloads of the configuration by SIGHUP, by their result.")
    add("sluice_config_reloads_total{result=\"success\"}", reloads.succeeded)
    add("sluice_config_reloads_total{result=\"failure\"}", reloads.failed)
    describe(
      "sluice_config_last_reload_successful", "gauge",
      "1 unless the last reload failed and the old one stayed in force.")
    add("sluice_config_last_reload_successful", reloads.lastFailed ? 0 : 1)
    describe(
      "sluice_config_last_reload_success_timestamp_seconds", "gauge",
      "When the configuration in force was read, in seconds since 1970.")
    add("sluice_config_last_reload_success_timestamp_seconds", reloads.lastSuccess / 1000)
    describe("sluice_sessions", "gauge", "Sessions of clients that opened with initialize.")
    add("sluice_sessions", UInt64(figures.sessions))
    describe(
      "sluice_upstream_ready", "gauge", "Whether a server answered when it was last asked; 1 for one that is stopped.")
    for upstream in figures.upstreams {
      add("sluice_upstream_ready{server=\"\(upstream.alias)\"}", upstream.isReady ? 1 : 0)
    }
    describe(
      "sluice_upstream_stopped", "gauge",
      "1 while a server's process is ended since nobody used it (`idle_stop`): the next call starts it.")
    for upstream in figures.upstreams {
      add("sluice_upstream_stopped{server=\"\(upstream.alias)\"}", upstream.isStopped ? 1 : 0)
    }
    describe(
      "sluice_upstream_failed", "gauge",
      "1 while a server is not started again before a reload, since it has died more often than `restarts` allows.")
    for upstream in figures.upstreams {
      add("sluice_upstream_failed{server=\"\(upstream.alias)\"}", upstream.hasFailed ? 1 : 0)
    }
    describe(
      "sluice_upstream_child_deaths_total", "counter",
      "How often children of a server ended by themselves, but for those that one client had to itself.")
    for upstream in figures.upstreams {
      add("sluice_upstream_child_deaths_total{server=\"\(upstream.alias)\"}", upstream.deaths)
    }
    describe(
      "sluice_catalogue_conflicts", "gauge",
      "Names and resources that servers claim from one another, or that could not be served as they are; the log says which."
    )
    add("sluice_catalogue_conflicts", UInt64(figures.conflicts))
    describe(
      "sluice_log_lines_dropped_total", "counter",
      "Lines of the log that were dropped since nobody read them fast enough.")
    add("sluice_log_lines_dropped_total", figures.droppedLogLines)
    describe(
      "sluice_upstream_log_lines_dropped_total", "counter",
      "Lines of a server's stderr that the log does not have, since they came faster than limits.stderr_rate.")
    for upstream in figures.upstreams {
      add("sluice_upstream_log_lines_dropped_total{server=\"\(upstream.alias)\"}", upstream.droppedLogLines)
    }
    describe(
      "sluice_upstream_log_bytes_dropped_total", "counter",
      "Bytes of those lines, and of what was cut off lines longer than limits.stderr_line.")
    for upstream in figures.upstreams {
      add("sluice_upstream_log_bytes_dropped_total{server=\"\(upstream.alias)\"}", upstream.droppedLogBytes)
    }
    addLosses(figures.losses)
    addTallies(figures.tallies)
    describe(
      "sluice_reaper_restarts_total", "counter",
      "How often the process that ends children after a crash had died and was started again.")
    add("sluice_reaper_restarts_total", figures.reaperRestarts)
    describe(
      "sluice_upstream_lists_excessive", "gauge",
      "1 while a server lists more than limits.list and limits.list_entries allow, and is served as it was before.")
    for upstream in figures.upstreams {
      add("sluice_upstream_lists_excessive{server=\"\(upstream.alias)\"}", upstream.hasExcess ? 1 : 0)
    }
    describe("sluice_draining", "gauge", "1 while the gateway ends.")
    add("sluice_draining", figures.isDraining ? 1 : 0)
  }

  /// Clients that were sent away for the good of others. The last loop is the one that serves operators.
  private mutating func addLosses(_ all: [LoopLosses]) {
    let losses = all.enumerated().map { ($0 == all.count - 1 ? "control" : String($0), $1) }
    describe(
      "sluice_relieved_connections_total", "counter",
      "Client connections that were ended to make room in memory, those of who held most.")
    for (worker, lost) in losses { add("sluice_relieved_connections_total{worker=\"\(worker)\"}", lost.relieved) }
    describe("sluice_relieved_bytes_total", "counter", "Bytes that were buffered for connections ended to make room.")
    for (worker, lost) in losses { add("sluice_relieved_bytes_total{worker=\"\(worker)\"}", lost.relievedBytes) }
    describe(
      "sluice_tls_restless_connections_total", "counter",
      "Connections that were closed since they asked more of TLS beside their data than anybody needs.")
    for (worker, lost) in losses { add("sluice_tls_restless_connections_total{worker=\"\(worker)\"}", lost.restless) }
  }

  private mutating func addTallies(_ tallies: [(Tally, UInt64)]) {
    var described: String?
    for (tally, value) in tallies {
      if tally.metric != described { describe(tally.metric, "counter", tally.help) }
      described = tally.metric
      add("\(tally.metric){\(tally.label.name)=\"\(tally.label.value)\"}", value)
    }
  }

  private mutating func describe(_ name: String, _ type: String, _ help: String) {
    append("# HELP \(name) \(help)\n# TYPE \(name) \(type)\n")
  }

  private mutating func add(_ name: String, _ value: UInt64) { append("\(name) \(value)\n") }

  private mutating func append(_ line: String) { text += line }
}
