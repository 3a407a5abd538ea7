import Catalogue
import MCP
import Workers

/// Which sessions have set which log level, by who they are: so that a conversation that they share finds the lowest of their
/// levels, and those who listen at one, without looking at anybody else. A value without I/O.
struct LogLevels {
  /// Those whose calls go through the same conversations.
  struct Group: Hashable {
    var view: CatalogueView
    var abilities: ClientCapabilities
    var principal: Principal
  }

  private struct Members {
    var counts = Counts()
    var levels: [SessionID: LogLevel] = [:]
  }

  /// How many have set each level.
  private struct Counts {
    private var counts = InlineArray<8, Int32>(repeating: 0)

    mutating func add(_ change: Int32, at level: LogLevel) { counts[Int(level.rawValue)] += change }

    var lowest: LogLevel? { LogLevel.allCases.first { counts[Int($0.rawValue)] > 0 } }
    var isEmpty: Bool { lowest == nil }
  }

  private var groups: [Group: Members] = [:]
  private var views: [CatalogueView: Counts] = [:]

  var isEmpty: Bool { groups.isEmpty && views.isEmpty }

  /// A session's level is another one now, or none.
  mutating func set(_ level: LogLevel?, of session: SessionID, in group: Group) {
    let before = groups[group]?.levels[session]
    guard before != level else { return }
    if let before { add(-1, at: before, in: group) }
    if let level { add(1, at: level, in: group) }
    groups[group]?.levels[session] = level
    if groups[group]?.counts.isEmpty == true { groups[group] = nil }
    if views[group.view]?.isEmpty == true { views[group.view] = nil }
  }

  private mutating func add(_ change: Int32, at level: LogLevel, in group: Group) {
    groups[group, default: Members()].counts.add(change, at: level)
    views[group.view, default: Counts()].add(change, at: level)
  }

  /// The lowest level that one of them has set.
  func lowest(of sharers: Sharers) -> LogLevel? {
    sharers.views.compactMap { view in
      guard let kin = sharers.kin else { return views[view]?.lowest }
      return groups[Group(view: view, abilities: kin.abilities, principal: kin.principal)]?.counts.lowest
    }.min()
  }

  /// Those of them who hear of what is said at that level; of a level that is not known all who have set one.
  func listeners(among sharers: Sharers, at level: LogLevel?) -> [SessionID] {
    var found: [SessionID] = []
    for (group, members) in groups where sharers.contains(group) {
      for (session, least) in members.levels where level.map({ $0 >= least }) ?? true { found.append(session) }
    }
    return found
  }
}

/// The sessions whose calls go through a conversation that no client has to itself: those that see its server, and are of
/// one kin if not all share it.
public struct Sharers: Sendable {
  /// Clients that are the same principal and can do the same.
  struct Kin: Equatable, Sendable {
    var abilities: ClientCapabilities
    var principal: Principal
  }

  /// The number of the server.
  var upstream: Int
  /// nil: whoever they are.
  var kin: Kin?

  var views: [CatalogueView] { [.all, .only(upstream: upstream)] }

  func contains(_ group: LogLevels.Group) -> Bool {
    (group.view == .all || group.view == .only(upstream: upstream))
      && (kin == nil || kin == Kin(abilities: group.abilities, principal: group.principal))
  }
}
