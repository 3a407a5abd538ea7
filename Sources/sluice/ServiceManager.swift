import Lifecycle
import Reactor

#if canImport(Glibc)
  import Glibc
#endif

/// What systemd and its like want to hear (sd_notify(3)) and what they hand over (sd_listen_fds(3)). Both are a few lines;
/// nothing is linked for them.
struct ServiceManager {
  private let path: String?

  init(environment: [String: String]) {
    path = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
  }

  func ready() { notify("READY=1\nMAINPID=\(getpid())") }

  func stopping() { notify("STOPPING=1") }

  /// A reload has begun; `ready` ends it.
  func reloading() {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    notify("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
  }

  /// Nobody to tell is no mistake, and neither is one who does not listen.
  private func notify(_ text: String) {
    guard let path, let first = path.utf8.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@") else {
      return
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    // The abstract namespace: the name begins with a zero byte.
    if first == UInt8(ascii: "@") { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let message = Array(text.utf8)
    withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), address, length)
      }
    }
  }

  // MARK: Sockets

  /// The first descriptor that is handed over.
  private static let firstDescriptor: Int32 = 3

  struct Fault: Error {
    let description: String
  }

  /// The listening sockets that the manager opened for this process: `LISTEN_FDS` of them, named by `LISTEN_FDNAMES` as
  /// the listeners are. A single one without such a name is the http listener's.
  static func sockets(
    _ environment: [String: String], process: Int32, listens: (Int32) -> Bool = { Listener.port(of: $0) != nil }
  ) throws(Fault) -> [ListeningSocket] {
    guard environment["LISTEN_PID"].flatMap(Int32.init) == process,
      let count = environment["LISTEN_FDS"].flatMap(Int32.init), count > 0
    else { return [] }
    let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
    var sockets: [ListeningSocket] = []
    for index in 0..<count {
      let name = Int(index) < names.count ? String(names[Int(index)]) : ""
      let isKnown = ["http", "websocket", "admin"].contains(name)
      guard isKnown || count == 1 else {
        throw Fault(
          description:
            "LISTEN_FDNAMES calls a socket `\(name)`; expected http, websocket or admin (FileDescriptorName= of the unit)"
        )
      }
      guard listens(firstDescriptor + index) else {
        throw Fault(description: "LISTEN_FDS: descriptor \(firstDescriptor + index) is no listening TCP socket")
      }
      sockets.append(
        ListeningSocket(
          listener: isKnown ? name : "http", descriptor: firstDescriptor + index, anyAddress: true))
    }
    return sockets
  }
}
