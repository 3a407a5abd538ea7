import Reactor

/// What a loop does later, once: actions by token. Tokens below `first` are the worker's own, which it knows by name.
public final class Timers {
  private static let first: UInt64 = 16

  private let loop: EventLoop
  private var actions: [UInt64: () -> Void] = [:]
  private var last = Timers.first

  init(_ loop: EventLoop) { self.loop = loop }

  /// Runs `action` once, later. For rare things: it allocates.
  public func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    last += 1
    actions[last] = action
    loop.startTimer(milliseconds: milliseconds, token: last)
  }

  public func fired(_ token: UInt64) { actions.removeValue(forKey: token)?() }
}
