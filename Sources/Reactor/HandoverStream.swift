import CReactor

#if canImport(Glibc)
  import Glibc
#endif

/// A stream of bytes between a process and the one that takes its place. One thread serves it, which others can wake.
public final class HandoverStream: Sendable {
  private let descriptor: Int32
  private let waker: Int32

  /// What a wait has found.
  public struct Readiness: Sendable {
    public var isReadable: Bool
    public var isWritable: Bool
  }

  /// - Parameter descriptor: of a socket; closed with the stream, or at once if that fails.
  public init(adopting descriptor: Int32) throws(ReactorError) {
    waker = cr_handover_stream_waker()
    guard waker >= 0 else {
      close(descriptor)
      throw ReactorError(systemError: -waker)
    }
    self.descriptor = descriptor
    // Another process may have made it.
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
  }

  deinit {
    close(descriptor)
    close(waker)
  }

  /// One end, and the descriptor of the other, which is the caller's.
  public static func pair() throws(ReactorError) -> (HandoverStream, Int32) {
    var ends: [Int32] = [-1, -1]
    let status = unsafe ends.withUnsafeMutableBufferPointer { unsafe cr_handover_stream_pair($0.baseAddress) }
    guard status == 0 else { throw ReactorError(systemError: -status) }
    do throws(ReactorError) {
      return (try HandoverStream(adopting: ends[0]), ends[1])
    } catch {
      close(ends[1])
      throw error
    }
  }

  /// Ends a wait of the thread that serves it.
  public func wake() { cr_handover_stream_wake(waker) }

  /// Waits until there is something to do, or for so long.
  public func wait(writing: Bool, milliseconds: Int32) -> Readiness {
    let ready = cr_handover_stream_wait(descriptor, waker, writing, milliseconds)
    return Readiness(
      isReadable: ready & Int32(CR_HANDOVER_READABLE) != 0,
      isWritable: ready & Int32(CR_HANDOVER_WRITABLE) != 0)
  }

  /// Sends what it takes now of the bytes from a place on: how many; nil once the other end is gone.
  public func send(_ bytes: [UInt8], from place: Int) -> Int? {
    let sent = unsafe bytes.withUnsafeBytes { bytes in
      unsafe cr_handover_stream_send(descriptor, bytes.baseAddress.map { unsafe $0 + place }, bytes.count - place)
    }
    if sent >= 0 { return sent }
    return sent == -Int(EAGAIN) ? 0 : nil
  }

  /// What has come, so many bytes at most; nil once the other end is gone.
  public func receive(atMost count: Int) -> [UInt8]? {
    var status = 0
    let received = unsafe [UInt8](unsafeUninitializedCapacity: count) { room, used in
      status = unsafe cr_handover_stream_receive(descriptor, room.baseAddress, count)
      used = max(status, 0)
    }
    return status > 0 || status == -Int(EAGAIN) ? received : nil
  }

  /// The other end reads what was sent, and then that this one is gone.
  public func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
