import ConfigurationSyntax
import Glibc

/// How the loader reaches files, so that it is a pure function of what they hold.
public struct ConfigurationFiles: Sendable {
  /// The bytes of a file.
  public var read: @Sendable (_ path: String) throws(FileFault) -> [UInt8]
  /// What is at a path, links followed; nil: nothing that can be reached.
  public var kind: @Sendable (_ path: String) -> Kind?
  /// Who may do what with what is at a path, links followed; nil: that is not known.
  public var publicity: @Sendable (_ path: String) -> Publicity?

  public init(
    read: @escaping @Sendable (_ path: String) throws(FileFault) -> [UInt8],
    kind: @escaping @Sendable (_ path: String) -> Kind?,
    publicity: @escaping @Sendable (_ path: String) -> Publicity? = { _ in nil }
  ) {
    self.read = read
    self.kind = kind
    self.publicity = publicity
  }

  public enum Publicity: Sendable {
    /// Its owner's, and at most a group's to read.
    case own
    /// Everybody may read it.
    case readable
    /// Others may write to it.
    case writable
  }

  public enum Kind: Sendable {
    case file, directory, socket, other
  }

  /// Why a file can't be read, in the words of the operating system.
  public struct FileFault: Error, Sendable {
    public var reason: String

    public init(reason: String) {
      self.reason = reason
    }
  }

  /// The real ones.
  public static var system: ConfigurationFiles {
    ConfigurationFiles(
      read: { path throws(FileFault) in try readWhole(path, again: false) }, kind: kind(of:),
      publicity: publicity(of:))
  }

  /// The real ones another time. What a pipe or a terminal gave is gone: it would read as empty, or wait for more.
  public static var systemAgain: ConfigurationFiles {
    ConfigurationFiles(
      read: { path throws(FileFault) in try readWhole(path, again: true) }, kind: kind(of:),
      publicity: publicity(of:))
  }

  /// Files that are given by their contents, in the directories that their paths name.
  public static func inMemory(_ contents: [String: String], sockets: Set<String> = []) -> ConfigurationFiles {
    ConfigurationFiles(
      read: { path throws(FileFault) in
        guard let text = contents[path] else { throw FileFault(reason: "No such file or directory") }
        return Array(text.utf8)
      },
      kind: { path in
        if sockets.contains(path) { return .socket }
        if contents[path] != nil { return .file }
        let start = path == "/" ? path : "\(path)/"
        return sockets.union(contents.keys).contains { $0.hasPrefix(start) } ? .directory : nil
      })
  }

  private static func kind(of path: String) -> Kind? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return switch status.st_mode & S_IFMT {
    case S_IFREG: .file
    case S_IFDIR: .directory
    case S_IFSOCK: .socket
    default: .other
    }
  }

  private static func publicity(of path: String) -> Publicity? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    if status.st_mode & 0o022 != 0 { return .writable }
    return status.st_mode & 0o004 != 0 ? .readable : .own
  }

  /// Why what is at a path can't be read as a file; nil if it may be.
  public func obstacle(toReading path: String) -> String? {
    switch kind(path) {
    case nil: "there is no file \(path)"
    case .directory: "\(path) is a directory, not a file"
    case .socket: "\(path) is a socket, not a file"
    case .file, .other: nil
    }
  }

  /// Bytes that a file may have: more is a mistake in the path, not a configuration.
  private static let largest = 16 << 20

  private static func readWhole(_ path: String, again: Bool) throws(FileFault) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | (again ? O_NONBLOCK : 0))
    guard descriptor >= 0 else { throw FileFault(reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    if again, !isLasting(descriptor) { throw FileFault(reason: "it is a pipe or terminal, which is read once") }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = Int(readChunk(descriptor, &chunk))
      if count < 0 {
        if errno == EINTR { continue }
        throw FileFault(reason: String(cString: strerror(errno)))
      }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      if bytes.count > largest {
        throw FileFault(reason: "it has more than \(Quantity.describe(size: largest))")
      }
    }
  }
}

private func isLasting(_ descriptor: Int32) -> Bool {
  var status = stat()
  return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT != S_IFIFO && isatty(descriptor) == 0
}

private func readChunk(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int {
  read(descriptor, &buffer, buffer.count)
}
