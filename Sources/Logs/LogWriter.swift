import Configuration
import Logging
import Synchronization

/// What is logged and how; a reload changes it for every logger.
public final class LogSettings: Sendable {
  private let current: Mutex<GatewayConfiguration.Log>
  private let leastSevere: Atomic<UInt8>

  public init(_ log: GatewayConfiguration.Log) {
    current = Mutex(log)
    leastSevere = Atomic(Self.rank(log))
  }

  public func adopt(_ log: GatewayConfiguration.Log) {
    current.withLock { $0 = log }
    leastSevere.store(Self.rank(log), ordering: .relaxed)
  }

  var level: Logger.Level { Logger.Level.allCases[Int(leastSevere.load(ordering: .relaxed))] }
  public var format: GatewayConfiguration.Log.Format { current.withLock { $0.format } }

  /// The line that stands where lines were dropped.
  public func notice(of dropped: UInt64) -> [UInt8] {
    let text = "\(dropped) lines of the log were dropped here: nobody read them fast enough"
    return LogLine.encoded(format, .warning, text, [("dropped", "\(dropped)")])
  }

  private static func rank(_ log: GatewayConfiguration.Log) -> UInt8 {
    let level = Logger.Level(rawValue: log.level.rawValue) ?? .info
    return UInt8(Logger.Level.allCases.firstIndex(of: level) ?? 0)
  }
}

/// Log records on stderr: a line of text each, or a JSON object.
public struct LogWriter: LogHandler {
  public var metadata: Logger.Metadata = [:]
  private let settings: LogSettings
  private let output: LogOutput

  public init(_ settings: LogSettings, _ output: LogOutput) {
    self.settings = settings
    self.output = output
  }

  /// The same for all loggers.
  public var logLevel: Logger.Level {
    get { settings.level }
    set {}
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { $1 }.map { ($0.key, $0.value.description) }
    output.write(LogLine.encoded(settings.format, event.level, event.message.description, all))
  }
}
