import Clusters
import MCP
import Sessions
import Wire
import Workers

/// Tells the numbers of requests of servers from others.
public enum ReverseName {}

public typealias ReverseID = SlotID<ReverseName>

/// A server's request to a client (sampling, elicitation, roots, ping) on its way: the client answers under the
/// gateway's id, the upstream gets the answer under its own.
public struct Reverse {
  /// The client session that was asked; only its answer counts.
  public var session: Session
  /// The id that the upstream gave, exactly.
  public var upstreamID: Token
  public var opened: UpstreamSession.Open?
  public var cluster: Cluster
  /// The call in whose course it was asked, `.none` for one that came outside of any.
  public var call: CallID
  /// It may be another call that the server asks for: the end of this one is not its end.
  var outlivesCall = false

  public init(
    session: Session, upstreamID: Token, opened: UpstreamSession.Open? = nil, cluster: Cluster, call: CallID,
    outlivesCall: Bool = false
  ) {
    self.session = session
    self.upstreamID = upstreamID
    self.opened = opened
    self.cluster = cluster
    self.call = call
    self.outlivesCall = outlivesCall
  }
}

/// The reverse requests of one worker.
public struct ReverseTable {
  private var table: SlotTable<ReverseName, Reverse>
  private var open: [Asked: Int] = [:]

  /// Whom a server asks.
  private struct Asked: Hashable {
    var session: SessionID
    var upstream: Int

    init(_ entry: Reverse) {
      session = entry.session.id
      upstream = entry.cluster.number
    }
  }

  /// Requests of one server that a session may have open: a server that asks without end leaves room for others.
  static let mostOfServer = 64

  /// - Parameter firstGeneration: another in each process, since a client that one process has asked may answer another.
  init(worker: Int, firstGeneration: UInt32 = .random(in: 1...0xFFF_FFFF)) {
    table = SlotTable(worker: worker, firstGeneration: firstGeneration)
  }

  /// Requests that are open.
  var count: Int { table.count }
  public var isEmpty: Bool { table.count == 0 }

  /// Nil if there are too many.
  public mutating func make(_ entry: Reverse) -> ReverseID? {
    let asked = Asked(entry)
    guard open[asked, default: 0] < Self.mostOfServer, let id = table.insert(entry) else { return nil }
    open[asked, default: 0] += 1
    return id
  }

  /// Takes the entry out, if `session` is the one that was asked.
  public mutating func take(_ id: ReverseID, from session: Session) -> Reverse? {
    guard let entry = table.find(id), entry.session === session else { return nil }
    remove(id)
    return entry
  }

  /// Takes out those for which `matches` holds, with their ids.
  public mutating func takeAll(where matches: (Reverse) -> Bool) -> [(id: ReverseID, entry: Reverse)] {
    table.ids(where: matches).compactMap { id in remove(id).map { (id, $0) } }
  }

  /// What was asked in the course of a call carried no sign that it belongs to this one, and others are on their way.
  public mutating func loosen(_ upstreamID: RawSpan, from call: CallID) {
    let token = upstreamID.array
    for id in table.ids(where: { $0.call == call && $0.upstreamID.equals(token.rawBytes) }) {
      table.change(id) { $0.outlivesCall = true }
    }
  }

  @discardableResult
  private mutating func remove(_ id: ReverseID) -> Reverse? {
    guard let entry = table.remove(id) else { return nil }
    let asked = Asked(entry)
    if let count = open[asked] { open[asked] = count > 1 ? count - 1 : nil }
    return entry
  }
}
