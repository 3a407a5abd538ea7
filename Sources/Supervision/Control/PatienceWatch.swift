/// Looks every now and then at who has waited long enough, as long as anybody waits.
public final class PatienceWatch: @unchecked Sendable {  // touched on the control loop alone
  /// In milliseconds.
  private static let interval: UInt64 = 200

  private let loop: ControlLoop
  private var isWatching = false

  public init(_ loop: ControlLoop) { self.loop = loop }

  /// - Parameter look: releases who has waited long enough; true while somebody may have to be released yet.
  public func begin(_ look: @escaping () -> Bool) {
    guard !isWatching else { return }
    isWatching = true
    loop.after(milliseconds: Self.interval) { [weak self] in
      guard let self else { return }
      isWatching = false
      if look() { begin(look) }
    }
  }
}
