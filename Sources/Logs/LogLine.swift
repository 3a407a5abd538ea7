import Configuration
import Logging

#if canImport(Glibc)
  import Glibc
#endif

/// One record of the log as bytes: a line of text, or a JSON object.
enum LogLine {
  static func encoded(
    _ format: GatewayConfiguration.Log.Format, _ level: Logger.Level, _ message: String,
    _ metadata: [(key: String, value: String)]
  ) -> [UInt8] {
    var line: [UInt8] = []
    line.reserveCapacity(message.utf8.count + 64)
    switch format {
    case .text:
      line.append(contentsOf: "\(timestamp()) \(level) ".utf8)
      append(message, to: &line, isQuoted: false)
    case .json:
      line.append(contentsOf: "{\"time\":\"\(timestamp())\",\"level\":\"\(level)\",\"message\":".utf8)
      append(message, to: &line, isQuoted: true)
      for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
        line.append(UInt8(ascii: ","))
        append(key, to: &line, isQuoted: true)
        line.append(UInt8(ascii: ":"))
        append(value, to: &line, isQuoted: true)
      }
      line.append(UInt8(ascii: "}"))
    }
    line.append(UInt8(ascii: "\n"))
    return line
  }

  /// What servers say is shown, never obeyed: a terminal gets no control character (C0, DEL, C1), nothing that reorders
  /// text (Unicode's bidirectional marks), and no other end of a line than our own. They are written as JSON would, so that
  /// both forms say the same.
  private static func append(_ text: String, to line: inout [UInt8], isQuoted: Bool) {
    if isQuoted { line.append(UInt8(ascii: "\"")) }
    defer { if isQuoted { line.append(UInt8(ascii: "\"")) } }
    let isPlain = text.utf8.allSatisfy { 0x20..<0x7F ~= $0 && !(isQuoted && ($0 == 0x22 || $0 == 0x5C)) }
    if isPlain { return line.append(contentsOf: text.utf8) }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"" where isQuoted, "\\" where isQuoted: line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(scalar.value)])
      case "\n": line.append(contentsOf: "\\n".utf8)
      case "\r": line.append(contentsOf: "\\r".utf8)
      case "\t": line.append(contentsOf: "\\t".utf8)
      case _ where isHidden(scalar.value):
        let digits = String(scalar.value, radix: 16)
        line.append(contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
      default: line.append(contentsOf: String(scalar).utf8)
      }
    }
  }

  private static func isHidden(_ value: UInt32) -> Bool {
    switch value {
    case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
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
}
