/// Who wants to hear of which resource, and under which name each knows it.
struct Audience<Member: Hashable> {
  /// A resource with those who named it.
  typealias Group = (interest: ResourceInterest, members: [Member: [UInt8]])

  private var groups: [ResourceInterest: [Member: [UInt8]]] = [:]

  mutating func add(_ member: Member, _ interest: ResourceInterest, as name: [UInt8]) {
    groups[interest, default: [:]][member] = name
  }

  mutating func remove(_ member: Member, _ interest: ResourceInterest) {
    groups[interest]?[member] = nil
    if groups[interest]?.isEmpty == true { groups[interest] = nil }
  }

  /// Those who named this resource, and then those who named something that it lies below [10].
  func groups(of upstream: Int, _ uri: [UInt8]) -> [Group] {
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
