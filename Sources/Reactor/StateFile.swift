import Glibc

/// A small file of the gateway's own that outlives it: read whole, appended to, or replaced. Blocks, so never on a loop
/// that serves clients. Two processes may use one at a time: what each appends stays whole.
package struct StateFile: Sendable {
  package let path: String
  private let directory: String

  /// - Parameter directory: made when something is written, for its owner alone. An absolute path.
  package init(_ name: String, in directory: String) {
    self.directory = directory
    path = "\(directory)/\(name)"
  }

  /// Why it can't be used, for people.
  package struct Fault: Error, CustomStringConvertible {
    package let description: String

    fileprivate init(_ path: String, _ description: String) {
      self.description = "\(path): \(description)"
    }

    fileprivate static func system(_ path: String) -> Fault {
      Fault(path, unsafe String(cString: strerror(errno)))
    }
  }

  /// What it holds; nothing where there is none, or more than `most` bytes.
  package func read(most: Int) throws(Fault) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { return [] }
      throw .system(path)
    }
    defer { close(descriptor) }
    try check(descriptor, path, isDirectory: false)
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = unsafe Glibc.read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(path) }
      if count == 0 { return bytes }
      bytes += piece[..<count]
      guard bytes.count <= most else { return [] }
    }
  }

  /// Adds to its end, in one piece. Gives the size that it has then.
  package func append(_ bytes: [UInt8]) throws(Fault) -> Int {
    try makeDirectory()
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else { throw .system(path) }
    defer { close(descriptor) }
    let size = try check(descriptor, path, isDirectory: false)
    try write(bytes, to: descriptor, path)
    return size + bytes.count
  }

  /// Has other contents, at once: nobody sees half of them.
  package func replace(with bytes: [UInt8]) throws(Fault) {
    try makeDirectory()
    let draft = "\(path).\(getpid())"
    unlink(draft)
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system(draft) }
    defer { close(descriptor) }
    do throws(Fault) {
      try write(bytes, to: descriptor, draft)
      guard rename(draft, path) == 0 else { throw .system(path) }
    } catch {
      unlink(draft)
      throw error
    }
  }

  private func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(Fault) {
    while true {
      let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(path) }
      guard count == bytes.count else { throw Fault(path, "there is no room for it") }
      return
    }
  }

  /// Others must not be able to put words into our mouth: what it holds is believed. Gives the size.
  @discardableResult
  private func check(_ descriptor: Int32, _ path: String, isDirectory: Bool) throws(Fault) -> Int {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .system(path) }
    guard status.st_mode & S_IFMT == (isDirectory ? S_IFDIR : S_IFREG) else {
      throw Fault(path, isDirectory ? "it is no directory" : "it is no file")
    }
    guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
      throw Fault(path, "others than user \(geteuid()) own it or may write to it")
    }
    return Int(status.st_size)
  }

  private func makeDirectory() throws(Fault) {
    var made = ""
    for part in directory.split(separator: "/") {
      made += "/\(part)"
      // Those above may be anybody's, and may be unreadable.
      guard mkdir(made, 0o700) == 0 || errno == EEXIST || made != directory else { throw .system(made) }
    }
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(directory) }
    defer { close(descriptor) }
    try check(descriptor, directory, isDirectory: true)
  }
}
