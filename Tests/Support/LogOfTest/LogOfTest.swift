import Logging
import Synchronization

/// What was logged.
final class LogOfTest: Sendable {
  private let records = Mutex<[String]>([])

  var lines: [String] { records.withLock { $0 } }
  var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

  private struct Handler: LogHandler {
    let log: LogOfTest
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(
      level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata?, source: String, file: String,
      function: String, line: UInt
    ) {
      log.records.withLock { $0.append("\(level): \(message)") }
    }
  }
}
