import Configuration
import ConfigurationSyntax

extension LoadedConfiguration {
  /// What there is to say about `sessions.secret_file`, for who is about to serve: errors and warnings. What is no file but
  /// a pipe, say, can be read once only, which is left to who serves.
  public func secretRemarks(_ files: ConfigurationFiles = .system) -> [Diagnostic] {
    let key = "sessions.secret_file"
    guard let path = configuration.sessions.secretFile else { return [] }
    let position = settings[key] ?? SourcePosition(file: key)
    if let obstacle = files.obstacle(toReading: path) {
      return [Diagnostic(.error, at: position, "`\(key)`: \(obstacle)")]
    }
    guard files.kind(path) == .file else { return [] }
    do throws(SecretFile.Fault) {
      _ = try SecretFile.read(path, files)
    } catch {
      return [Diagnostic(.error, at: position, "`\(key)`: \(error.description)", expected: error.expected)]
    }
    // Whoever has the secret can make up sessions of anybody.
    let warning: String
    switch files.publicity(path) {
    case .readable: warning = "every user of this machine may read \(path), and so make up sessions of anybody"
    case .writable: warning = "others than its owner may write to \(path), and so make up sessions of anybody"
    case .own, nil: return []
    }
    return [
      Diagnostic(
        .warning, at: position, "`\(key)`: \(warning)", expected: "a file for its owner alone, as `chmod 600` makes it")
    ]
  }
}
