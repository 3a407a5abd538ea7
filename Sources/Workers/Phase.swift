import Synchronization

/// Whether a gateway serves, or ends and what becomes of its clients then. Any part of any loop may ask.
public final class Phase: Sendable {
  private let draining = Atomic<Bool>(false)
  private let succeeded = Atomic<Bool>(false)

  /// Nothing new is begun, and what is on its way gets there.
  public var isDraining: Bool { draining.load(ordering: .acquiring) }

  /// The gateway ends, and there is nobody who would take what it refuses.
  public var isEnding: Bool { isDraining && !succeeded.load(ordering: .relaxed) }

  /// - Parameter hasSuccessor: another process serves its clients from here on.
  public func startDraining(hasSuccessor: Bool) {
    if hasSuccessor { succeeded.store(true, ordering: .relaxed) }
    draining.store(true, ordering: .releasing)
  }
}
