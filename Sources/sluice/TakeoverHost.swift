import Reactor

#if canImport(Glibc)
  import Glibc
#endif

extension Takeover {
  /// Where a process waits for those that want to take its place.
  final class Host: Sendable {
    let path: String
    private let socket: HandoverSocket
    private let temporary: String
    private let stamp: [Int]

    var descriptor: Int32 { socket.descriptor }

    /// Listens under a name of its own: the path may still be the predecessor's.
    init(path: String) throws(ReactorError) {
      self.path = path
      temporary = "\(path).\(getpid())"
      HandoverSocket.sweep(path)
      unlink(temporary)
      socket = try HandoverSocket.listen(at: temporary)
      stamp = System.stamp(of: temporary)
    }

    /// From now on whoever comes to the path comes here.
    /// - Parameter predecessor: whether the socket there is that of the process whose place this one takes.
    /// - Returns: why not; nil if so. What others have put there stays.
    func publish(replacing predecessor: Bool) -> String? {
      var found = stat()
      if lstat(path, &found) == 0 {
        guard found.st_mode & S_IFMT == S_IFSOCK else { return "there is something else than a socket" }
        // A socket that nobody listens on was left behind.
        if !predecessor, (try? HandoverSocket.connect(to: path)) != nil { return "another process listens there" }
      }
      return rename(temporary, path) == 0 ? nil : "it can't be made"
    }

    /// Whether whoever comes to the path comes to another process.
    var isReplaced: Bool {
      System.stamp(of: path) != stamp && (try? HandoverSocket.connect(to: path)) != nil
    }

    /// Who has come; nil if nobody has.
    func accept() throws(ReactorError) -> HandoverSocket? {
      do throws(ReactorError) {
        return try socket.accept()
      } catch {
        if error.isWait { return nil }
        throw error
      }
    }

    /// Leaves nothing behind, unless the path is somebody else's by now, and sends away who waits.
    func withdraw() {
      unlink(temporary)
      if System.stamp(of: path) == stamp { unlink(path) }
      while (try? socket.accept()) != nil {}
    }
  }
}
