import Clusters

/// Who wants to hear of which resource, and under which name each knows it.
public struct Audience<Member: Hashable> {
  /// A resource with those who named it.
  public typealias Group = (interest: ResourceInterest, members: Members)

  /// Those who named one resource, in the order in which they came. Connections that were opened one after the other lie
  /// one after the other in memory, the kernel's too: told in that order, ten thousand cost a tenth less than at random.
  public struct Members: Sequence {
    /// nil where somebody has left.
    private var entries: [(member: Member, name: [UInt8])?] = []
    private var places: [Member: Int] = [:]

    var isEmpty: Bool { places.isEmpty }

    /// The name by which a member knows the resource.
    public subscript(member: Member) -> [UInt8]? {
      get { places[member].flatMap { entries[$0]?.name } }
      set {
        guard let newValue else { return remove(member) }
        if let place = places[member] {
          entries[place] = (member, newValue)
        } else {
          places[member] = entries.count
          entries.append((member, newValue))
        }
      }
    }

    private mutating func remove(_ member: Member) {
      guard let place = places.removeValue(forKey: member) else { return }
      entries[place] = nil
      // Half of it gaps: each removal pays for two places at most.
      guard entries.count > 16, entries.count > 2 * places.count else { return }
      entries.removeAll { $0 == nil }
      for (place, entry) in entries.enumerated() { if let entry { places[entry.member] = place } }
    }

    /// Places that there are, with those of who has left.
    public var span: Int { entries.count }

    /// Who stands at a place; nil: nobody any more.
    public func entry(at place: Int) -> (member: Member, name: [UInt8])? { entries[place] }

    public func makeIterator() -> some IteratorProtocol<(member: Member, name: [UInt8])> {
      entries.lazy.compactMap { $0 }.makeIterator()
    }
  }
  public init() {}

  private var groups: [ResourceInterest: Members] = [:]

  public mutating func add(_ member: Member, _ interest: ResourceInterest, as name: [UInt8]) {
    groups[interest, default: Members()][member] = name
  }

  public mutating func remove(_ member: Member, _ interest: ResourceInterest) {
    groups[interest]?[member] = nil
    if groups[interest]?.isEmpty == true { groups[interest] = nil }
  }

  /// Those who named this resource, and then those who named something that it lies below
  /// (MCP schema: `ResourceUpdatedNotification`).
  public func groups(of upstream: Int, _ uri: [UInt8]) -> [Group] {
    let exact = ResourceInterest(upstream: upstream, uri: uri)
    var found: [Group] = []
    if let members = groups[exact] { found.append((exact, members)) }
    let borders = uri.indices.filter { uri[$0] == UInt8(ascii: "/") }
    // Looked up by name as long as there are more names than places where one could end.
    guard borders.count * 2 < groups.count else {
      let above = groups.filter {
        $0.key.upstream == upstream && $0.key.uri != uri && UpstreamSession.covers($0.key.uri, uri)
      }
      return found + above.map { ($0.key, $0.value) }
    }
    var names = Set<Int>()
    for border in borders { names.formUnion([border, border + 1]) }
    for length in names where length > 0 && length < uri.count {
      let parent = ResourceInterest(upstream: upstream, uri: Array(uri[..<length]))
      if let members = groups[parent] { found.append((parent, members)) }
    }
    return found
  }
}
