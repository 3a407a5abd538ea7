import Catalogue
import MCP

/// What one client sees differently: the lists of its own conversations with upstreams, where those said that they had
/// changed and turned out to differ from what all see.
struct Overlay {
  /// By the id of the cluster.
  var lists: [Int: UpstreamLists] = [:]
  /// When those were looked at last.
  var lookedAt: [Int: UInt64] = [:]
  /// Greater than those of overlays that have changed before.
  var turn: UInt64 = 0

  /// Each is a catalogue of its own, so there may be so many. Beyond, who has seen no change for the longest time sees
  /// what all see.
  static let most = 256

  /// Bytes of what it has of its own.
  var bytes: Int { lists.values.reduce(0) { $0 + $1.bytes(without: []) } }

  /// The one to give up while all of them have more bytes than that.
  static func leastRecent(of overlays: [SessionID: Overlay], besides: SessionID, atMost bytes: Int) -> SessionID? {
    guard overlays.values.reduce(0, { $0 + $1.bytes }) > bytes else { return nil }
    return overlays.filter { $0.key != besides }.min { $0.value.turn < $1.value.turn }?.key
  }

  /// The one to give up for `newcomer`, when there are as many as there may be.
  static func leastRecent(of overlays: [SessionID: Overlay], for newcomer: SessionID) -> SessionID? {
    guard overlays.count >= most, overlays[newcomer] == nil else { return nil }
    return overlays.min { $0.value.turn < $1.value.turn }?.key
  }
}
