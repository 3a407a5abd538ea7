import Reactor
import Synchronization

/// A session that a server of Streamable HTTP has given.
public final class HTTPSession: Sendable {
  /// Its `Mcp-Session-Id`, never empty.
  public let id: [UInt8]
  /// Where its GET stream is, for whoever ends the session.
  private let stream = Atomic<UInt64>(0)

  init(_ id: [UInt8]) { self.id = id }

  public func streamMoved(to connection: ConnectionID) { stream.store(connection.rawValue, ordering: .releasing) }

  /// The loop that reads its GET stream; nil where there is none.
  public var streamLoop: Int? {
    let connection = ConnectionID(rawValue: stream.load(ordering: .acquiring))
    return connection.isNone ? nil : connection.worker
  }

  /// The connection of its GET stream, once.
  public func takeStream() -> ConnectionID? {
    let connection = ConnectionID(rawValue: stream.exchange(0, ordering: .acquiringAndReleasing))
    return connection.isNone ? nil : connection
  }
}
