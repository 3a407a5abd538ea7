import Foundation

/// A server that reads nothing of what it is sent, and says what it is told to. One connection.
final class DeafPeer {
  private let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
  private var connection: Int32 = -1
  let port: UInt16

  init() {
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let isBound = withUnsafeMutablePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    precondition(isBound, "no port")
    port = UInt16(bigEndian: place.sin_port)
  }

  deinit {
    close(listener)
    if connection >= 0 { close(connection) }
  }

  /// Whether somebody is connected.
  func accepts() -> Bool {
    if connection < 0 { connection = accept(listener, nil, nil) }
    return connection >= 0
  }

  func say(_ text: String) {
    let bytes = Array(text.utf8)
    precondition(send(connection, bytes, bytes.count, 0) == bytes.count)
  }
}
