/// How much of what an endpoint's pool may hold is in use.
public enum Utilisation: UInt8, Comparable, Sendable, CaseIterable {
  case normal
  /// More than 70 %.
  case warning
  /// More than 90 %.
  case critical

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Tells when it changes. It is as high as the last mark that was passed, and lower only once it is well below that, so
/// that what goes up and down around a mark is told once. A value without I/O.
struct UtilisationState: Sendable {
  /// Percent, and how much below its mark a level ends.
  private static let marks: [(Utilisation, percent: Int)] = [(.critical, 90), (.warning, 70)]
  private static let slack = 10

  private(set) var level = Utilisation.normal

  /// So many of at most `limit` are in use. The new level, if it is one.
  mutating func changed(inUse: Int, of limit: Int) -> Utilisation? {
    let percent = 100 * inUse
    let reached = Self.marks.first { percent > $0.percent * limit }?.0 ?? .normal
    let kept = Self.marks.first { $0.0 <= level && percent > ($0.percent - Self.slack) * limit }?.0 ?? .normal
    let next = max(reached, kept)
    guard next != level else { return nil }
    level = next
    return next
  }
}
