import Upstream

/// Which endpoints of one server get calls, by how each is. A value without I/O.
///
/// What does not answer its checks in time gets none as long as another is well. Where none is, they get calls all the same:
/// a server that has more to do than it can gets slow at all its endpoints at once, and to leave out one after the other would
/// have the rest drown the sooner (the panic threshold of Envoy is for the same). What refuses connections is not busy.
public struct EndpointFitness: Sendable {
  public enum Grade: Sendable {
    case usable
    /// It does worse than the others.
    case ejected
    case unhealthy
  }

  public private(set) var grades: [Grade]
  /// An endpoint is a process that somebody has to start: calls that have another endpoint do not wait for that.
  private let isProcesses: Bool

  public init(endpoints: Int, isProcesses: Bool) {
    grades = Array(repeating: .usable, count: endpoints)
    self.isProcesses = isProcesses
  }

  /// The server has other endpoints now.
  /// - Parameter former: for each of them, which of the former it is; nil for one that is new.
  public mutating func change(to former: [Int?]) {
    grades = former.map { former in former.map { grades[$0] } ?? .usable }
  }

  /// So they are now.
  /// - Returns: those that are unhealthy from now on.
  public mutating func update(_ statuses: [HealthState.Status], isEjected: (Int) -> Bool) -> [Int] {
    let isAnyWell = statuses.contains(where: isWell)
    var lost: [Int] = []
    for (index, status) in statuses.enumerated() {
      let grade = grade(status, isAnyWell) ?? (isEjected(index) ? .ejected : .usable)
      if grade == .unhealthy, grades[index] != .unhealthy { lost.append(index) }
      grades[index] = grade
    }
    return lost
  }

  private func isWell(_ status: HealthState.Status) -> Bool {
    status == .unknown ? !isProcesses : status.isUsable
  }

  /// nil: it depends on how it does beside the others.
  private func grade(_ status: HealthState.Status, _ isAnyWell: Bool) -> Grade? {
    switch status {
    case .unhealthy(_, .timeout): isAnyWell ? .unhealthy : nil
    case .unhealthy: .unhealthy
    // To a URL that refuses connections calls go as its circuit breaker lets them.
    case .unknown, .comingBack: isProcesses ? .unhealthy : nil
    case .healthy, .stopped: nil
    }
  }
}
