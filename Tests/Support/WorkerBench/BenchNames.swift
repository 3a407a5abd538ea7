import Reactor
import Synchronization

/// Where names lead, as the test says.
final class BenchNames: Sendable {
  private let table = Mutex<[String: NameLookup.Answer]>([:])
  private let counts = Mutex<[String: Int]>([:])

  /// nil: nobody can tell.
  subscript(name: String) -> [String]? {
    get { table.withLock { try? $0[name]?.get() } }
    set {
      table.withLock { $0[name] = newValue.map { .success($0) } ?? .failure(NameLookup.Failure("nobody can tell")) }
    }
  }

  /// How often a name was looked up.
  func count(_ name: String) -> Int { counts.withLock { $0[name] ?? 0 } }

  var lookup: NameLookup {
    NameLookup { [self] name, done in
      counts.withLock { $0[name, default: 0] += 1 }
      done(table.withLock { $0[name] } ?? .failure(NameLookup.Failure("nobody knows it")))
    }
  }
}
