import Glibc

/// A small file of the gateway's own that outlives it: read whole, appended to, or replaced. Blocks, so never on a loop
/// that serves clients. Two processes may use one at a time: nothing that either appends is lost.
public struct StateFile: Sendable {
  public let path: String
  private let directory: String

  /// - Parameter directory: made when something is written, for its owner alone. An absolute path.
  public init(_ name: String, in directory: String) {
    self.directory = directory
    path = "\(directory)/\(name)"
  }

  /// Why it can't be used, for people.
  public struct Fault: Error, CustomStringConvertible {
    public let description: String

    fileprivate init(_ path: String, _ description: String) {
      self.description = "\(path): \(description)"
    }

    fileprivate static func system(_ path: String) -> Fault {
      Fault(path, unsafe String(cString: strerror(errno)))
    }
  }

  /// What it holds from a place on: the end of it, where that is more than was asked for.
  public struct Contents: Sendable {
    public var bytes: [UInt8] = []
    /// Where they begin.
    public var start: Int
    /// There was more before them, which is passed over.
    public var isCut = false
    /// Another file at the same path has another number.
    public var file: UInt64 = 0
  }

  /// Whether there is anything of that name.
  public var isThere: Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0
  }

  /// What it holds from a place on, at most the last `most` bytes; nothing where there is no file.
  /// - Parameters:
  ///   - known: the file that is meant; another one, which has taken its place, is read from its start.
  ///   - isSecret: that others may read it is a fault.
  public func read(
    from start: Int = 0, of known: UInt64 = 0, most: Int, isSecret: Bool = false
  ) throws(Fault) -> Contents {
    let descriptor = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { return Contents(start: start) }
      throw .system(path)
    }
    defer { close(descriptor) }
    let (size, file) = try check(descriptor, path, isDirectory: false, isSecret: isSecret)
    let start = file == known ? start : 0
    let place = max(start, size - most)
    var contents = Contents(start: place, isCut: place > start, file: file)
    var piece = [UInt8](repeating: 0, count: min(64 << 10, max(1, size - place)))
    // What another process adds meanwhile may wait.
    while contents.bytes.count < size - place {
      let wanted = min(piece.count, size - place - contents.bytes.count)
      let count = unsafe pread(descriptor, &piece, wanted, place + contents.bytes.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(path) }
      if count == 0 { break }
      contents.bytes += piece[..<count]
    }
    return contents
  }

  /// Adds to its end, in one piece. If it has more than `size` bytes then, `rewrite` is given what it holds, of more than
  /// `most` bytes the end, and says what it shall hold instead; nil: what it holds. No other process changes it meanwhile.
  /// - Returns: why it could not be replaced, though what was to be added is in it. Nothing is added to one that has more
  ///   than `most` bytes and can't be replaced.
  public func append(
    _ bytes: [UInt8], beyond size: Int, most: Int, rewrite: (Contents) -> [UInt8]?
  ) throws(Fault) -> Fault? {
    try makeDirectory()
    let (descriptor, before) = try openAlone()
    // Closing it gives the lock back.
    defer { close(descriptor) }
    if before + bytes.count > most {
      guard let news = rewrite(try read(most: most)) else { throw Fault(path, "it has grown to \(before) bytes") }
      try replace(with: news + bytes)
      return nil
    }
    do throws(Fault) {
      try write(bytes, to: descriptor, path)
    } catch {
      // Half a line would be in the way of the next one.
      ftruncate(descriptor, before)
      throw error
    }
    guard before + bytes.count > size else { return nil }
    do throws(Fault) {
      if let news = rewrite(try read(most: most)) { try replace(with: news) }
    } catch {
      return error
    }
    return nil
  }

  /// How often its lock is asked for, and how long in between, in milliseconds: whoever has it may have been stopped.
  private static let attempts = 200
  private static let pause: UInt32 = 10

  /// Opens it for appending once no other process changes it. Gives its size too.
  private func openAlone() throws(Fault) -> (descriptor: Int32, size: Int) {
    for _ in 0..<Self.attempts {
      let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
      guard descriptor >= 0 else { throw .system(path) }
      do throws(Fault) {
        try check(descriptor, path, isDirectory: false)
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
          // What was opened may have been replaced before it was locked.
          if isThere(descriptor) { return (descriptor, try check(descriptor, path, isDirectory: false).size) }
        } else if errno != EWOULDBLOCK, errno != EINTR {
          throw .system(path)
        }
      } catch {
        close(descriptor)
        throw error
      }
      close(descriptor)
      System.sleep(milliseconds: Self.pause)
    }
    throw Fault(path, "another process has locked it")
  }

  /// Whether that is what the path leads to.
  private func isThere(_ descriptor: Int32) -> Bool {
    var (own, found) = (stat(), stat())
    guard unsafe fstat(descriptor, &own) == 0, unsafe lstat(path, &found) == 0 else { return false }
    return own.st_dev == found.st_dev && own.st_ino == found.st_ino
  }

  /// Has other contents, at once: nobody sees half of them. For who has the lock.
  private func replace(with bytes: [UInt8]) throws(Fault) {
    try makeDirectory()
    let draft = "\(path).\(getpid())"
    unsafe unlink(draft)
    defer { unsafe unlink(draft) }
    try write(bytes, toNew: draft)
    guard unsafe rename(draft, path) == 0 else { throw .system(path) }
  }

  /// Makes it with these contents, for its owner alone, unless there is one: then that stays, whoever made it at the same
  /// time. It is on the disk when this returns.
  public func create(_ bytes: [UInt8]) throws(Fault) {
    try makeDirectory()
    // Of its own, as processes that share a directory may have the same number in different containers.
    let draft = "\(path).\(getpid()).\(UInt32.random(in: 0...UInt32.max))"
    defer { unsafe unlink(draft) }
    try write(bytes, toNew: draft, lasting: true)
    guard unsafe link(draft, path) == 0 || errno == EEXIST else { throw .system(path) }
  }

  /// Does what no other process shall do with files of the same directory at the same time. Where the file system knows no
  /// such locks nobody waits.
  public func alone<Result>(_ body: () throws(Fault) -> Result) throws(Fault) -> Result {
    try makeDirectory()
    let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(directory) }
    defer { close(descriptor) }
    for _ in 0..<Self.attempts {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return try body() }
      System.sleep(milliseconds: Self.pause)
    }
    throw Fault(directory, "another process has locked it")
  }

  /// Takes what is there out of the way, whatever it is, in place of what was set aside before. Gives its new path.
  public func setAside() throws(Fault) -> String {
    let aside = "\(path).spoilt"
    guard unsafe rename(path, aside) == 0 else { throw .system(path) }
    return aside
  }

  private func write(_ bytes: [UInt8], toNew path: String, lasting: Bool = false) throws(Fault) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system(path) }
    defer { close(descriptor) }
    try write(bytes, to: descriptor, path)
    if lasting { guard fsync(descriptor) == 0 else { throw .system(path) } }
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

  /// Others must not be able to put words into our mouth: what it holds is believed. Gives the size and the number.
  @discardableResult
  private func check(
    _ descriptor: Int32, _ path: String, isDirectory: Bool, isSecret: Bool = false
  ) throws(Fault) -> (size: Int, number: UInt64) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .system(path) }
    guard status.st_mode & S_IFMT == (isDirectory ? S_IFDIR : S_IFREG) else {
      throw Fault(path, isDirectory ? "it is no directory" : "it is no file")
    }
    guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
      throw Fault(path, "others than user \(geteuid()) own it or may write to it")
    }
    guard !isSecret || status.st_mode & 0o077 == 0 else {
      throw Fault(path, "others than user \(geteuid()) may read it")
    }
    return (Int(status.st_size), UInt64(status.st_ino))
  }

  private func makeDirectory() throws(Fault) {
    var made = ""
    for part in directory.split(separator: "/") {
      made += "/\(part)"
      // Those above may be anybody's, and may be unreadable.
      guard unsafe mkdir(made, 0o700) == 0 || errno == EEXIST || made != directory else { throw .system(made) }
    }
    let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(directory) }
    defer { close(descriptor) }
    try check(descriptor, directory, isDirectory: true)
  }
}
