import ServedCatalogue
import Synchronization

/// A change of what all see, of which every worker tells its own clients. Each client knows up to which it has been told, by
/// its number, so that one who asks for a list can be told before it gets that list, whoever's turn it is.
public final class ListChange: Sendable {
  let serial: UInt32
  /// Sessions are of the legacy era, listens of the modern one.
  let forSessions: ListChanges
  let forListens: ListChanges
  /// Workers that have not told all of theirs yet.
  fileprivate let left: Atomic<Int>

  fileprivate init(_ serial: UInt32, forSessions: ListChanges, forListens: ListChanges, workers: Int) {
    self.serial = serial
    self.forSessions = forSessions
    self.forListens = forListens
    left = Atomic(workers)
  }
}

/// The changes of which clients are being told.
public final class ListNews: Sendable {
  private let latest = Atomic<UInt32>(0)
  private let count = Atomic<Int>(0)
  private let underWay = Mutex<[ListChange]>([])

  /// The number of the last change: who comes now need not be told of it.
  public var last: UInt32 { latest.load(ordering: .acquiring) }

  /// Those that not everybody has been told of, the oldest first.
  var pending: [ListChange] { count.load(ordering: .acquiring) == 0 ? [] : underWay.withLock { $0 } }

  /// - Parameter workers: each calls `finished` once it has told all of its clients.
  func begin(forSessions: ListChanges, forListens: ListChanges, workers: Int) -> ListChange {
    underWay.withLock { underWay in
      let serial = latest.load(ordering: .relaxed) + 1
      let change = ListChange(serial, forSessions: forSessions, forListens: forListens, workers: workers)
      underWay.append(change)
      count.store(underWay.count, ordering: .releasing)
      latest.store(serial, ordering: .releasing)
      return change
    }
  }

  func finished(_ change: ListChange) {
    guard change.left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
    underWay.withLock { underWay in
      underWay.removeAll { $0 === change }
      count.store(underWay.count, ordering: .releasing)
    }
  }
}
