/// As what a connection counts while it is in use: its holder keeps it, and gives it back with the connection.
public struct Lease: Equatable, Sendable {
  /// After this it is not used again; 0 for one beyond the pool.
  let expiresAt: UInt64

  init(expiresAt: UInt64) { self.expiresAt = max(1, expiresAt) }

  private init() { expiresAt = 0 }

  /// Of one that may serve as long as it likes: what most have.
  public static let standing = Lease(expiresAt: .max)
  /// Of a connection that holds no permit: it serves once.
  public static let beyond = Lease()

  public var isPooled: Bool { expiresAt != 0 }
}
