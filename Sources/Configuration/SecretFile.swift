import ConfigurationSyntax

/// A file that holds secrets, one on each line (`sessions.secret_file`, and the one that is made in `state_dir`).
public enum SecretFile {
  /// Bytes that it may have: more is a mistake in the path.
  public static let largest = 64 << 10

  /// Why its secrets can't be had, without a word of what it holds.
  public struct Fault: Error, Sendable, Equatable {
    public var description: String
    public var expected: String?
  }

  /// Lines end with LF, CRLF or CR; a byte order mark and blank lines are passed over. Every other line is a secret to its
  /// last byte: nobody has to know what would be trimmed.
  /// - Parameter path: for messages.
  public static func secrets(in text: [UInt8], of path: String) throws(Fault) -> [[UInt8]] {
    let shortest = GatewayConfiguration.Sessions.shortestSecret
    func fault(_ what: String, line: Int? = nil) -> Fault {
      Fault(
        description: "\(path)\(line.map { ", line \($0)," } ?? "") \(what)",
        expected: "lines of at least \(shortest) characters without blanks, such as `openssl rand -hex 32` prints")
    }
    guard text.count <= largest else { throw fault("has more than \(Quantity.describe(size: largest))") }
    var secrets: [[UInt8]] = []
    for (index, line) in EnvironmentFile.lines(of: text).enumerated() where !line.allSatisfy(isBlank) {
      guard !line.contains(where: isBlank) else { throw fault("has a blank in a secret or beside it", line: index + 1) }
      guard !line.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { throw fault("is no text", line: index + 1) }
      guard line.count >= shortest else { throw fault("is too short for a secret", line: index + 1) }
      secrets.append(Array(line))
    }
    guard !secrets.isEmpty else { throw fault(text.isEmpty ? "is empty" : "holds blank lines only") }
    return secrets
  }

  /// Blanks are those of a line: its ends are none.
  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0B || byte == 0x0C }

  /// Reads one that the configuration names.
  public static func read(_ path: String, _ files: ConfigurationFiles = .system) throws(Fault) -> [[UInt8]] {
    let text: [UInt8]
    do throws(ConfigurationFiles.FileFault) {
      text = try files.read(path)
    } catch {
      throw Fault(description: "\(path) can't be read: \(error.reason)")
    }
    return try secrets(in: text, of: path)
  }
}
