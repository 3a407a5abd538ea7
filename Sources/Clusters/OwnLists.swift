import MCP
import Synchronization

/// What a client's own conversation has told of its lists, in one byte: of which of them since they were looked at last, and
/// which are being looked at. Whoever asks for one of either kind waits for the look.
public struct OwnLists: ~Copyable, Sendable {
  private let word = Atomic<UInt8>(0)

  /// A change was told, or it is time for another look.
  public borrowing func announce(_ kinds: ListKinds) {
    word.bitwiseOr(kinds.rawValue, ordering: .acquiringAndReleasing)
  }

  /// Those of which it has told since the last look began.
  public var announced: ListKinds { ListKinds(rawValue: word.load(ordering: .acquiring) & 0x0F) }

  public borrowing func isStale(_ kind: ListKind) -> Bool {
    let bits = word.load(ordering: .acquiring)
    return (bits | bits >> 4) & ListKinds(kind).rawValue != 0
  }

  /// They are looked at, one look at a time. Which.
  public borrowing func begin() -> ListKinds {
    var bits = word.load(ordering: .acquiring)
    while true {
      let (isDone, seen) = word.weakCompareExchange(
        expected: bits, desired: bits << 4, ordering: .acquiringAndReleasing)
      if isDone { return ListKinds(rawValue: bits & 0x0F) }
      bits = seen
    }
  }

  /// What was found is served.
  public borrowing func end() { word.bitwiseAnd(0x0F, ordering: .acquiringAndReleasing) }
}
