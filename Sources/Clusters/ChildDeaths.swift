import Synchronization

/// How often children of a server have ended by themselves that no client had to itself. Noted before anybody hears that what
/// they were asked has come to nothing.
public final class ChildDeaths: Sendable {
  private struct Book {
    var count: UInt64 = 0
    var last = ""
  }

  private let book = Mutex(Book())

  init() {}

  /// - Parameter how: the end of a sentence about the child: `exited with status 3`.
  public func add(_ how: String) {
    book.withLock {
      $0.count += 1
      $0.last = how
    }
  }

  public var count: UInt64 { book.withLock { $0.count } }

  /// How the last of them ended.
  public var last: String { book.withLock { $0.last } }
}
