import Reactor

/// Has a loop look at its deadlines a little later, for as long as somebody asks for that.
public final class SweepTimer {
  private static let interval: UInt64 = 100

  private let loop: EventLoop
  private let token: UInt64
  private var isArmed = false

  public init(_ loop: EventLoop, token: UInt64) {
    self.loop = loop
    self.token = token
  }

  /// Makes sure that deadlines are looked at while anything is in flight.
  @inline(__always)
  public func arm() { if !isArmed { start() } }

  private func start() {
    isArmed = true
    loop.startTimer(milliseconds: Self.interval, token: token)
  }

  /// It is time to look.
  public func fired() { isArmed = false }
}
