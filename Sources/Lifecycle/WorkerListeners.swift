import Reactor
import Workers

/// The listening sockets of one worker, each with what it is for. Touched on the worker's loop, and before that runs.
public final class WorkerListeners {
  private var all: [(label: UInt32, listener: Listener)] = []

  public func add(_ listener: Listener, label: UInt32, _ settings: Settings) {
    settings.apply(to: listener, label)
    all.append((label, listener))
  }
  public init() {}

  /// The configuration was read again.
  public func adopt(_ settings: Settings) {
    for (label, listener) in all { settings.apply(to: listener, label) }
  }

  /// New connections speak TLS with these, or none; open ones keep what they have.
  public func secure(with contexts: ListenerContexts) {
    for (label, listener) in all { listener.setTLS(contexts[label]) }
  }

  /// What connects meanwhile waits in the kernel's queue.
  public func hold(_ held: Bool) {
    for (_, listener) in all { listener.hold(held) }
  }

  /// Takes what has connected so far, then closes the sockets.
  public func stop() {
    for (_, listener) in all { listener.stop() }
    all = []
  }
}
