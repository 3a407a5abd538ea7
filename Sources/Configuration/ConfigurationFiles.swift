import Glibc

/// How the loader reaches files, so that it is a pure function of what they hold.
package struct ConfigurationFiles: Sendable {
  /// The bytes of a file.
  package var read: @Sendable (_ path: String) throws(FileFault) -> [UInt8]
  package var exists: @Sendable (_ path: String) -> Bool

  package init(
    read: @escaping @Sendable (_ path: String) throws(FileFault) -> [UInt8],
    exists: @escaping @Sendable (_ path: String) -> Bool
  ) {
    self.read = read
    self.exists = exists
  }

  /// Why a file can't be read, in the words of the operating system.
  package struct FileFault: Error, Sendable {
    package var reason: String

    package init(reason: String) {
      self.reason = reason
    }
  }

  /// The real ones.
  package static var system: ConfigurationFiles {
    ConfigurationFiles(
      read: { path throws(FileFault) in try readWhole(path, again: false) }, exists: { access($0, F_OK) == 0 })
  }

  /// The real ones another time. What a pipe or a terminal gave is gone: it would read as empty, or wait for more.
  package static var systemAgain: ConfigurationFiles {
    ConfigurationFiles(read: { path throws(FileFault) in try readWhole(path, again: true) }, exists: system.exists)
  }

  /// Files that are given by their contents.
  package static func inMemory(_ contents: [String: String]) -> ConfigurationFiles {
    ConfigurationFiles(
      read: { path throws(FileFault) in
        guard let text = contents[path] else { throw FileFault(reason: "No such file or directory") }
        return Array(text.utf8)
      },
      exists: { contents[$0] != nil })
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
