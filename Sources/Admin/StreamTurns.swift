public import Reactor

/// Whose turn it is among the streams, without any I/O.
///
///     due ── wrote(.more, .taken) ──▶ due, behind the others
///      │ ├── wrote(.rest, .taken) ──▶ resting ── rested ──▶ due
///      │ ├── wrote(…, .full) ───────▶ full ── drained ──▶ due, or resting if the piece said so
///      │ └── wrote(.end, …) ────────▶ gone
///     any ── wrote(…, .stale), left ─▶ gone
public struct StreamTurns {
  public enum Action: Equatable, Sendable {
    case none
    /// Call `rested` after so long.
    case rest(milliseconds: UInt64)
    /// The answer is complete.
    case end
    /// Its client is gone.
    case cancel
  }

  private enum Phase: Equatable {
    case due
    case full(then: AdminStep)
    case resting
  }

  private var phases: [ConnectionID: Phase] = [:]
  /// Those that are due, in the order of their turns.
  private var line: [ConnectionID] = []

  public init() {}

  public var count: Int { phases.count }
  public var isSomeoneDue: Bool { !line.isEmpty }

  public mutating func opened(_ id: ConnectionID) { enqueue(id) }

  /// The one whose piece is to be made now: `wrote` must follow.
  public mutating func next() -> ConnectionID? {
    line.isEmpty ? nil : line.removeFirst()
  }

  public mutating func wrote(_ id: ConnectionID, _ step: AdminStep, _ outcome: WriteOutcome) -> Action {
    guard phases[id] == .due else { return .none }
    if outcome == .stale {
      phases[id] = nil
      return .cancel
    }
    if step == .end { return advance(id, step) }
    guard outcome == .taken else {
      phases[id] = .full(then: step)
      return .none
    }
    return advance(id, step)
  }

  public mutating func drained(_ id: ConnectionID) -> Action {
    guard case .full(let step) = phases[id] else { return .none }
    return advance(id, step)
  }

  public mutating func rested(_ id: ConnectionID) {
    if phases[id] == .resting { enqueue(id) }
  }

  /// Its client is gone.
  public mutating func left(_ id: ConnectionID) -> Action {
    guard phases.removeValue(forKey: id) != nil else { return .none }
    line.removeAll { $0 == id }
    return .cancel
  }

  private mutating func advance(_ id: ConnectionID, _ step: AdminStep) -> Action {
    switch step {
    case .more:
      enqueue(id)
      return .none
    case .rest(let milliseconds):
      phases[id] = .resting
      return .rest(milliseconds: milliseconds)
    case .end:
      phases[id] = nil
      return .end
    }
  }

  private mutating func enqueue(_ id: ConnectionID) {
    phases[id] = .due
    line.append(id)
  }
}
