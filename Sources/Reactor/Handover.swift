import CReactor

#if canImport(Glibc)
  import Glibc
#endif

/// One end of the Unix socket over which a process hands its listening sockets to the one that takes its place. Both are
/// of the same user, or this fails.
public final class HandoverSocket: Sendable {
  /// For waiting until there is something to read or to accept.
  public let descriptor: Int32

  public struct Message: Sendable {
    public var text: String
    /// The receiver's to close.
    public var descriptors: [Int32]
  }

  private init(_ descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  private static func made(_ descriptor: Int32) throws(ReactorError) -> HandoverSocket {
    guard descriptor >= 0 else { throw ReactorError(systemError: -descriptor) }
    return HandoverSocket(descriptor)
  }

  /// Removes what processes that were killed have left at this path and a dot and their process id.
  public static func sweep(_ path: String) { unsafe path.withCString { unsafe cr_handover_sweep($0) } }

  /// Listens at a path that does not exist yet.
  public static func listen(at path: String) throws(ReactorError) -> HandoverSocket {
    try made(unsafe path.withCString { unsafe cr_handover_listen($0) })
  }

  public static func connect(to path: String) throws(ReactorError) -> HandoverSocket {
    try made(unsafe path.withCString { unsafe cr_handover_connect($0) })
  }

  public func accept() throws(ReactorError) -> HandoverSocket {
    try Self.made(cr_handover_accept(descriptor))
  }

  /// The process id of the other end.
  public var peer: Int32 { cr_handover_peer(descriptor) }

  /// The other end reads what was sent, and then that this one is gone, whoever still holds it.
  public func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  public func send(_ text: String, _ descriptors: [Int32] = []) throws(ReactorError) {
    var text = text
    let status = text.withUTF8 { text in
      unsafe text.withMemoryRebound(to: CChar.self) { text in
        unsafe descriptors.withUnsafeBufferPointer { descriptors in
          unsafe cr_handover_send(descriptor, text.baseAddress, text.count, descriptors.baseAddress, descriptors.count)
        }
      }
    }
    if status < 0 { throw ReactorError(systemError: -status) }
  }

  /// Waits for a message; nil when the other end is gone.
  public func receive(milliseconds: Int32) throws(ReactorError) -> Message? {
    var descriptors = [Int32](repeating: -1, count: Int(CR_HANDOVER_DESCRIPTORS))
    var count = 0
    let text = try unsafe receive(milliseconds, &descriptors, &count)
    return text.map { Message(text: $0, descriptors: Array(descriptors[..<count])) }
  }

  /// The same for who expects no descriptors: they are closed.
  public func receiveText(milliseconds: Int32) throws(ReactorError) -> String? {
    var count = 0
    return try unsafe receive(milliseconds, nil, &count)
  }

  private func receive(
    _ milliseconds: Int32, _ descriptors: UnsafeMutablePointer<Int32>?, _ count: inout Int
  ) throws(ReactorError) -> String? {
    var text = [CChar](repeating: 0, count: Int(CR_HANDOVER_TEXT))
    let length = unsafe cr_handover_receive(descriptor, milliseconds, &text, descriptors, &count)
    if length < 0 { throw ReactorError(systemError: Int32(-length)) }
    if length == 0 { return nil }
    return String(decoding: text[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension System {
  /// Blocks these signals in this thread and those it starts later; the descriptor is readable while one waits.
  public static func openSignals(_ signals: [Int32]) throws(ReactorError) -> Int32 {
    let descriptor = unsafe signals.withUnsafeBufferPointer { unsafe cr_signals_open($0.baseAddress, $0.count) }
    guard descriptor >= 0 else { throw ReactorError(systemError: -descriptor) }
    return descriptor
  }

  /// The next of them, without waiting.
  public static func takeSignal(_ descriptor: Int32) -> Int32? {
    let number = cr_signals_take(descriptor)
    return number == 0 ? nil : number
  }

  /// What tells one version of a file from another: its device, inode, size and time of change. Empty if it can't be read.
  public static func stamp(of path: String) -> [Int] {
    var status = stat()
    guard unsafe path.withCString({ unsafe stat($0, &status) }) == 0 else { return [] }
    return [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size),
      status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
    ]
  }

  /// Another descriptor of the same socket, which closes on exec.
  public static func duplicate(_ descriptor: Int32) -> Int32 { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }

  public static func closeDescriptor(_ descriptor: Int32) { close(descriptor) }
}
