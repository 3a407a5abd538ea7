import Catalogue
import MCP
import Routing
import Sessions
import Translation
import Wire
import Workers

/// A change of a resource, as its upstream told it.
public struct ResourceUpdate: Sendable {
  public let upstream: Int
  public let alias: String
  public let revision: Revision
  /// The upstream's own URI.
  public let uri: [UInt8]
  /// Whose it is where all servers are seen.
  public let claim: ResourceClaim
  public let message: [UInt8]
  /// Its server is not this process's alone, so that another process that is subscribed hears of it as well.
  public var isKnown = false

  public init(
    upstream: Int, alias: String, revision: Revision, uri: [UInt8], claim: ResourceClaim, message: [UInt8],
    isKnown: Bool = false
  ) {
    self.upstream = upstream
    self.alias = alias
    self.revision = revision
    self.uri = uri
    self.claim = claim
    self.message = message
    self.isKnown = isKnown
  }

  /// The URI by which who subscribed to it, or to what it lies below, knows the resource; nil for who would take it for
  /// another server's. Who looks at its server alone knows all by the server's own URIs.
  public func name(for named: NamedResource, seeing view: CatalogueView) -> [UInt8]? {
    if named.isMarked { return marked }
    if named.isItself || view != .all { return uri }
    switch claim {
    case .own(let exposed): return exposed
    case .anothers: return nil
    case .nobodys: return uri
    }
  }

  /// Each of an audience once, with what `name(for:below:seeing:)` wants to know.
  func hearers<Member: Hashable>(among groups: [Audience<Member>.Group]) -> Hearers<Member> { Hearers(uri, groups) }

  /// The URI by which somebody knows the resource.
  /// - Parameters:
  ///   - named: what it subscribed to.
  ///   - below: that as its server knows it, where it is not the resource itself.
  func name(for named: [UInt8], below: ResourceInterest?, seeing view: CatalogueView) -> [UInt8]? {
    guard let below else { return named }
    return name(for: NamedResource(isItself: false, isMarked: named != below.uri), seeing: view)
  }

  /// The URI under the mark that tells it from another server's.
  private var marked: [UInt8] {
    var buffer = ByteBuffer(capacity: uri.count + alias.utf8.count + 16)
    ResourceTag.append(uri.rawBytes, alias: alias, to: &buffer)
    return buffer.bytes.array
  }

  /// Appends the notification for a client: under its own name for the resource, and on a listen with that listen's id.
  public func append(to buffer: inout ByteBuffer, named name: [UInt8], client: Revision, subscriptionID: RawSpan? = nil)
    -> Bool
  {
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(message.rawBytes)
    guard let place = envelope.member(Param.uri) else { return false }
    var splice = Splice()
    if name != uri { splice.replace(place.value) { $0.append(quoted: name.rawBytes) } }
    let hop = Hop(.notifyResourcesUpdated, client: client, upstream: revision)
    guard ServerTranslation.notification(envelope, hop, subscriptionID: subscriptionID, splice: &splice) else {
      return false
    }
    return splice.write(envelope.message, into: &buffer)
  }
}

/// Those who hear of a change of a resource, one after the other, who named several that it concerns by the nearest. URIs are
/// compared once for all of a group.
struct Hearers<Member: Hashable> {
  private let uri: [UInt8]
  private let groups: [Audience<Member>.Group]
  private var group = 0
  private var place = 0
  /// What the members of the group named, where it is not the resource itself.
  private var below: ResourceInterest?

  fileprivate init(_ uri: [UInt8], _ groups: [Audience<Member>.Group]) {
    self.uri = uri
    self.groups = groups
    enter(0)
  }

  private mutating func enter(_ number: Int) {
    group = number
    place = 0
    guard number < groups.count else { return }
    below = groups[number].interest.uri == uri ? nil : groups[number].interest
  }

  /// Calls `tell` for the next ones. How many those were: fewer than `count` if they were the last.
  mutating func forNext(
    _ count: Int, _ tell: (Member, _ named: [UInt8], _ below: ResourceInterest?) -> Void
  ) -> Int {
    var told = 0
    while group < groups.count, told < count {
      let members = groups[group].members
      while place < members.span, told < count {
        let entry = members.entry(at: place)
        place += 1
        guard let entry, group == 0 || !isNearer(entry.member) else { continue }
        tell(entry.member, entry.name, below)
        told += 1
      }
      if place == members.span { enter(group + 1) }
    }
    return told
  }

  /// Whether a member has named something nearer as well.
  private func isNearer(_ member: Member) -> Bool { groups[..<group].contains { $0.members[member] != nil } }
}
