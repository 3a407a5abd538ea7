import Reactor

/// A listening socket and the listener that it belongs to, as it goes from one process to the next.
public struct ListeningSocket: Sendable {
  /// `http`, `websocket` or `admin`.
  public var listener: String
  public var descriptor: Int32
  /// Serve it wherever it listens: a service manager decided on the address.
  public var anyAddress: Bool

  public init(listener: String, descriptor: Int32, anyAddress: Bool = false) {
    self.listener = listener
    self.descriptor = descriptor
    self.anyAddress = anyAddress
  }
}

/// Sockets that listened before this process did. None of them is closed while connections wait in its queue, so that a
/// client never sees the change.
public struct InheritedSockets {
  private var sockets: [ListeningSocket]

  public init(_ sockets: [ListeningSocket]) {
    self.sockets = sockets
  }

  /// The port of the sockets of a listener; nil if there are none at its address.
  func port(of listener: String, host: String, port: Int) -> UInt16? {
    for socket in sockets where socket.listener == listener {
      if let found = Self.port(of: socket, host, port) { return found }
    }
    return nil
  }

  /// The same; without sockets, makes sure that nobody else listens there.
  public func portOrProbe(_ listener: String, host: String, port: Int) throws(Listener.Failure) -> UInt16 {
    if let port = self.port(of: listener, host: host, port: port) { return port }
    return try Listener.probe(host: host, port: UInt16(port))
  }

  private static func port(of socket: ListeningSocket, _ host: String, _ port: Int) -> UInt16? {
    if socket.anyAddress { return Listener.port(of: socket.descriptor) }
    return Listener.port(of: socket.descriptor, at: host, port: UInt16(port))
  }

  /// Takes out the sockets of a listener and shares them out among so many workers: each gets at least one, and every
  /// socket gets a worker.
  public mutating func take(_ listener: String, host: String, port: Int, workers: Int) -> [[Int32]] {
    let found = sockets.filter { $0.listener == listener && Self.port(of: $0, host, port) != nil }
    let descriptors = found.map(\.descriptor)
    sockets.removeAll { descriptors.contains($0.descriptor) }
    return Self.share(descriptors, workers, duplicate: System.duplicate)
  }

  /// - Parameter duplicate: makes another descriptor of the same socket, for a worker that there is none for.
  static func share(_ descriptors: [Int32], _ workers: Int, duplicate: (Int32) -> Int32) -> [[Int32]] {
    guard !descriptors.isEmpty else { return Array(repeating: [], count: workers) }
    return (0..<workers).map { worker in
      let own = stride(from: worker, to: descriptors.count, by: workers).map { descriptors[$0] }
      return own.isEmpty ? [duplicate(descriptors[worker % descriptors.count])].filter { $0 >= 0 } : own
    }
  }

  /// Closes what no listener here has the address of: whoever handed it over still serves it to the end.
  public mutating func closeRest() {
    for socket in sockets { System.closeDescriptor(socket.descriptor) }
    sockets = []
  }
}
