import Admin
import ArgumentParser
import Configuration
import ConfigurationLoading
import ConfigurationSyntax
import Gateway
import Lifecycle
import Logging
import Logs
import Reactor
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve the configured MCP servers behind one URL.",
    discussion: """
      The servers come from Sluice's own YAML file, from clients' files as they are, or from both:

        sluice serve --mcp-config mcp.json
        sluice serve --config sluice.yaml --port 8080
        sluice serve --mcp-json '{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}'

      All servers together answer at http://127.0.0.1:4001/mcp, each one alone at /mcp/<alias>.
      With no server at all a built-in demonstration is served.

      A flag wins over its variable, a variable over the file, the file over the default. Every key of the YAML file \
      but those of servers and of tls has a variable: SLUICE_LIMITS_BODY=32MiB is limits.body. `sluice check --example` prints all keys with their defaults, \
      `sluice check` says what would be served.

      SIGHUP reads the configuration again; a file with a mistake, or an empty one, changes nothing. SIGTERM and SIGINT let \
      calls in flight finish, a second one ends at once. A new version takes over from the running one without losing a \
      connection:

        sluice serve --config sluice.yaml --takeover

      Under systemd it says when it is ready, and serves the sockets of a socket unit (LISTEN_FDS).
      """)

  @OptionGroup var options: ConfigurationOptions

  @Flag(
    help: """
      Take the listening sockets of the gateway that runs on the same port, which then drains. Gives up, with exit code \
      1, if a server that answers there does not answer here: the other one goes on then.
      """)
  var takeover = false

  @Option(help: "Seconds that a takeover waits for the servers that answer there to answer here.")
  var takeoverWait = 60

  @Flag(help: "Take over even if servers that answer there do not answer here.")
  var force = false

  @Flag(help: "Open /debug/echo on the MCP listener: a WebSocket that says back what it hears, for test suites.")
  var debugEcho = false

  func validate() throws {
    guard (0...86_400).contains(takeoverWait) else {
      throw ValidationError("--takeover-wait is a number of seconds from 0 to 86400")
    }
    if force, !takeover { throw ValidationError("--force has a meaning with --takeover only") }
  }

  func run() throws {
    // From the first moment: a SIGHUP while files are read is a reload that comes right after, and no end.
    let signals = try Signals.block()
    let loaded = try options.loadWithFiles()
    let service = Service(self, loaded.configuration, signals: signals)
    for diagnostic in loaded.diagnostics where diagnostic.severity != .note { service.say(diagnostic) }
    let code = try service.run()
    if code != .success { throw code }
  }
}

/// One gateway from its start to its end, on the main thread: it acts on signals and on processes that want to take over.
private struct Service {
  private let command: Serve
  private let configuration: GatewayConfiguration
  private let environment = ConfigurationOptions.environment
  private let signals: Signals
  private let manager: ServiceManager
  private let log: LogSettings
  private let losses = LogLosses()
  private let output: LogOutput
  private let logger: Logger

  init(_ command: Serve, _ configuration: GatewayConfiguration, signals: Signals) {
    self.command = command
    self.configuration = configuration
    self.signals = signals
    manager = ServiceManager(environment: environment)
    let log = LogSettings(configuration.log)
    self.log = log
    let output = LogOutput(losses: losses) { log.notice(of: $0) }
    self.output = output
    logger = Logger(label: "sluice") { _ in LogWriter(log, output) }
  }

  /// A remark on the configuration for who starts the process: as compilers write it, unless the log is for programs.
  func say(_ diagnostic: Diagnostic) {
    if log.format == .json { record(diagnostic) } else { say(diagnostic.description) }
  }

  /// A line among those of the log, for who starts the process.
  private func say(_ line: String) { output.write(Array((line + "\n").utf8)) }

  /// Why nothing is served.
  private func fail(_ reason: String) {
    if log.format == .json { logger.critical("\(reason)") } else { say("sluice: \(reason)") }
  }

  /// A remark on the configuration in the log. A line of text holds no other line, so that each of its lines is a record
  /// of its own there; an object holds them all.
  private func record(_ diagnostic: Diagnostic) {
    let level: Logger.Level = diagnostic.severity == .error ? .error : .warning
    for text in log.format == .text ? diagnostic.lines : [diagnostic.description] {
      logger.log(level: level, "\(text)")
    }
  }

  /// Serves until a signal or a successor ends it.
  /// - Returns: the exit code of the process.
  func run() throws -> ExitCode {
    defer { output.finish() }
    do {
      return try serve()
    } catch let failure as Gateway.Failure {
      fail("\(failure)")
    } catch let failure as Takeover.Failure {
      fail(failure.description)
    } catch let fault as ServiceManager.Fault {
      fail(fault.description)
    }
    return ExitCode(1)
  }

  private func serve() throws -> ExitCode {
    // Before anything of ours could have one of their numbers.
    var sockets = try ServiceManager.sockets(environment, process: getpid())
    // The reaper must be forked before the first thread of ours.
    let reaper = try Reaper()
    output.start()
    var predecessor: Takeover.Predecessor?
    if command.takeover {
      let port = UInt16(configuration.listeners.http.port)
      let path = Takeover.path(configuration, port: port, environment: environment)
      predecessor = try Takeover.begin(at: path, logger) { signals.isPending }
      if predecessor == nil { logger.notice("there is no gateway at \(path) to take over from") }
      sockets += predecessor?.sockets ?? []
    }
    let gateway = try Gateway(
      configuration, debugEcho: command.debugEcho, reaper: reaper, logger: logger, logLosses: losses,
      inherited: sockets, stateDirectory: configuration.stateDirectory.path(environment: environment)
    ) { AdminServer($0) }
    let host = makeHost(gateway)
    defer { host?.withdraw() }
    let handover = host.map {
      Handover($0, Handover.Sessions(bequeath: { gateway.bequeath() }, keep: { gateway.keepSessions() }), logger)
    }
    let watch = ReaperWatch(reaper, logger)
    let turn = Turn()
    let relief = predecessor.map { makeRelief(of: $0, turn) }
    try gateway.start(relieving: relief) { [manager, logger] in publish(host, replacing: false, manager, logger) }
    if let predecessor, let code = takePlace(of: predecessor, turn, gateway, host, handover, watch) { return code }
    Welcome(
      configuration, httpPort: gateway.httpPort, webSocketPort: gateway.webSocketPort, adminPort: gateway.adminPort
    ).print()
    while true {
      let events = signals.wait(
        watching: handover?.watched ?? [], reaper: watch.descriptor, milliseconds: handover?.patience ?? -1)
      if events.isReaperGone { watch.restart() }
      if let ending = act(on: events.signal, gateway) {
        return drain(gateway, handover, watch, .nobody, because: ending.name)
      }
      guard let handover else { continue }
      let isTaken = handover.act(on: events.readable) {
        Handover.Offer(sockets: gateway.listeningSockets, servers: gateway.state.servingAliases)
      }
      guard isTaken else { continue }
      gateway.leaveNames()
      handover.confirm()
      return drain(gateway, handover, watch, .successor, because: "another process has taken over")
    }
  }

  // MARK: Taking over

  /// Whether this process serves in another's place.
  private final class Turn: Sendable {
    enum State {
      case awaited
      /// What is needed to serve is there.
      case met
      /// What there is to know of sessions is known.
      case told
      /// Clients are let in.
      case opened
      /// Servers that answer there do not answer here.
      case missed([String])
    }

    let state = Mutex(State.awaited)
  }

  /// What this process needs before the other one may end.
  private func makeRelief(of predecessor: Takeover.Predecessor, _ turn: Turn) -> Relief {
    var servers = command.force ? [] : predecessor.servers ?? []
    if predecessor.servers == nil, !command.force {
      logger.notice(
        "process \(predecessor.process) is of an older version and does not say which servers answer: none is waited for"
      )
    }
    let configured = Set(configuration.servers.map(\.alias))
    servers.removeAll { !configured.contains($0) }
    return Relief(servers: servers, patience: UInt64(command.takeoverWait) * 1000) {
      turn.state.withLock { $0 = .met }
    } gaveUp: { missing in
      turn.state.withLock { $0 = .missed(missing) }
    }
  }

  /// How often it is looked whether the turn has come, in milliseconds.
  private static let turnStep: Int32 = 20

  /// Waits until this process serves; gives the exit code if it never will. The other one goes on meanwhile.
  private func takePlace(
    of predecessor: Takeover.Predecessor, _ turn: Turn, _ gateway: Gateway, _ host: Takeover.Host?,
    _ handover: Handover?, _ watch: ReaperWatch
  ) -> ExitCode? {
    let successor = Successor(predecessor)
    defer { successor.end() }
    let process = predecessor.process
    while true {
      var actions = successor.look()
      switch turn.state.withLock({ $0 }) {
      case .awaited: break
      case .met: actions += successor.met()
      case .told:
        turn.state.withLock { $0 = .awaited }
        gateway.letClientsIn { turn.state.withLock { $0 = .opened } }
      case .opened: actions += successor.opened()
      case .missed(let servers):
        logger.error(
          "\(servers.joined(separator: ", ")): answers in process \(process), but not here within \(command.takeoverWait) s; that process goes on (--force takes over all the same)"
        )
        successor.end()
        _ = drain(gateway, handover, watch, .nobody, because: "no takeover")
        return ExitCode(1)
      }
      for action in actions {
        switch action {
        case .say: break
        case .relieveNobody: gateway.relievesNobody()
        case .letClientsIn: learn(of: successor.takeSessions(), gateway, turn)
        case .noteSilence:
          logger.warning(
            "process \(process), whose place this one takes, does not answer: this one serves all the same")
        case .settle(let isAlone):
          gateway.writeNames()
          publish(host, replacing: true, manager, logger)
          if isAlone {
            logger.warning("process \(process), whose place this one takes, has gone")
          } else {
            logger.info("took over from process \(process)")
          }
          return nil
        case .giveUp(let why):
          logger.error("process \(process) gave this one up: \(why); that process goes on: start this one again")
          successor.end()
          _ = drain(gateway, handover, watch, .nobody, because: "no takeover")
          return ExitCode(1)
        }
      }
      let events = signals.wait(
        watching: successor.watched, reaper: watch.descriptor, milliseconds: Self.turnStep)
      if events.isReaperGone { watch.restart() }
      if let ending = act(on: events.signal, gateway) {
        successor.end()
        return drain(gateway, handover, watch, .nobody, because: ending.name)
      }
    }
  }

  /// Clients may be let in, once it is known what there is to know of their sessions.
  private func learn(of sessions: Int32?, _ gateway: Gateway, _ turn: Turn) {
    turn.state.withLock { $0 = sessions == nil ? .told : .awaited }
    if let sessions { gateway.inherit(sessions) { turn.state.withLock { $0 = .told } } }
  }

  /// Reloads if that is what the signal says; gives one that ends the process.
  private func act(on signal: Signals.Received?, _ gateway: Gateway) -> Signals.Received? {
    guard let signal else { return nil }
    guard signal.isReload else { return signal }
    reload(gateway)
    return nil
  }

  /// This process serves: others can take over from it, and the service manager hears of it.
  private func publish(
    _ host: Takeover.Host?, replacing predecessor: Bool, _ manager: ServiceManager, _ logger: Logger
  ) {
    if let host, let obstacle = host.publish(replacing: predecessor) {
      logger.warning("no other process can take over at \(host.path): \(obstacle)")
    }
    manager.ready()
  }

  /// Where another process can take over; nil, and said, if there can be no such place.
  private func makeHost(_ gateway: Gateway) -> Takeover.Host? {
    let path = Takeover.path(configuration, port: gateway.httpPort, environment: environment)
    do throws(ReactorError) {
      return try Takeover.Host(path: path)
    } catch {
      logger.warning("no other process can take over: \(path): \(error)")
      return nil
    }
  }

  /// What is logged is true by then: whoever reads it finds each worker draining.
  private func drain(
    _ gateway: Gateway, _ handover: Handover?, _ watch: ReaperWatch, _ succession: Gateway.Succession,
    because reason: String
  ) -> ExitCode {
    switch succession {
    // Who wants to take over now finds the successor.
    case .successor: handover?.end()
    case .nobody:
      handover?.ends()
      manager.stopping()
    }
    // A second signal means: now.
    let isComplete = gateway.drain(succession) {
      logger.info("\(reason): draining")
    } abrupt: {
      watch.look()
      if case .nobody = succession { handover?.glance() }
      return signals.isPending
    }
    return isComplete ? .success : ExitCode(1)
  }

  // MARK: Reload

  /// Reads the configuration again, from the same files, variables and flags.
  private func reload(_ gateway: Gateway) {
    manager.reloading()
    let loaded: LoadedConfiguration
    do throws(ConfigurationError) {
      loaded = try ConfigurationLoader.load(
        command.options.inputs, environment: environment, files: .systemAgain, replacing: gateway.state.configuration)
    } catch {
      for diagnostic in error.diagnostics where diagnostic.severity == .error { record(diagnostic) }
      logger.error("SIGHUP: the configuration has mistakes; the old one stays in force")
      gateway.reloadFailed()
      return manager.ready()
    }
    for diagnostic in loaded.diagnostics where diagnostic.severity == .warning { record(diagnostic) }
    gateway.reload(loaded.configuration) { [manager, logger, log] result in
      switch result {
      case .success(let news):
        log.adopt(loaded.configuration.log)
        logger.notice("SIGHUP: configuration loaded: \(news.joined(separator: "; "))")
      case .failure(let failure):
        logger.error("SIGHUP: \(failure); the old configuration stays in force")
      }
      manager.ready()
    }
  }
}
