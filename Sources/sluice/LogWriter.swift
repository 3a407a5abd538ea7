import Configuration
import Logging
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// What is logged and how; a reload changes it for every logger.
final class LogSettings: Sendable {
  private let current: Mutex<GatewayConfiguration.Log>
  private let leastSevere: Atomic<UInt8>

  init(_ log: GatewayConfiguration.Log) {
    current = Mutex(log)
    leastSevere = Atomic(Self.rank(log))
  }

  func adopt(_ log: GatewayConfiguration.Log) {
    current.withLock { $0 = log }
    leastSevere.store(Self.rank(log), ordering: .relaxed)
  }

  var level: Logger.Level { Logger.Level.allCases[Int(leastSevere.load(ordering: .relaxed))] }
  var format: GatewayConfiguration.Log.Format { current.withLock { $0.format } }

  private static func rank(_ log: GatewayConfiguration.Log) -> UInt8 {
    let level = Logger.Level(rawValue: log.level.rawValue) ?? .info
    return UInt8(Logger.Level.allCases.firstIndex(of: level) ?? 0)
  }
}

/// Log records on stderr: a line of text each, or a JSON object.
struct LogWriter: LogHandler {
  var metadata: Logger.Metadata = [:]
  private let settings: LogSettings

  init(_ settings: LogSettings) {
    self.settings = settings
  }

  /// The same for all loggers.
  var logLevel: Logger.Level {
    get { settings.level }
    set {}
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    switch settings.format {
    case .text:
      StandardError.write("\(Self.timestamp()) \(event.level) \(Self.printable(event.message.description))")
    case .json:
      let all = metadata.merging(event.metadata ?? [:]) { $1 }
      var members = [
        ("time", Self.timestamp()), ("level", event.level.rawValue), ("message", event.message.description),
      ]
      members += all.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
      StandardError.write("{" + members.map { "\(Self.quoted($0)):\(Self.quoted($1))" }.joined(separator: ",") + "}")
    }
  }

  /// UTC with milliseconds, RFC 3339.
  private static func timestamp() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    func padded(_ value: some BinaryInteger, _ width: Int) -> String {
      let text = String(Int(value))
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
    let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
    return "\(date)T\(time).\(padded(now.tv_nsec / 1_000_000, 3))Z"
  }

  /// What servers write is shown as text: no control character reaches the terminal.
  private static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
