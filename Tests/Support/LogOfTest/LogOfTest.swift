import Logging
import Synchronization

/// What was logged.
final class LogOfTest: Sendable {
  private let records = Mutex<[String]>([])
  private let level: Logger.Level

  init(from level: Logger.Level = .trace) { self.level = level }

  var lines: [String] { records.withLock { $0 } }
  var logger: Logger { Logger(label: "test") { _ in Handler(log: self, logLevel: self.level) } }

  private struct Handler: LogHandler {
    let log: LogOfTest
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      log.records.withLock { $0.append("\(event.level): \(event.message)") }
    }
  }
}
