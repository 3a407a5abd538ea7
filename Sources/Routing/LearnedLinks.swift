import MCP
import Wire

/// Which upstreams have named a URI in a result. Links need not be listed, so who named them is remembered here, for one
/// principal of one worker. Each upstream has places of its own, a fixed number: a newer link takes the place of an older
/// one, and no upstream takes another's. Only a keyed hash of the URI is kept, because strangers choose what stands in it.
public struct LearnedLinks: Sendable {
  private struct Table: Sendable {
    var upstream: Int
    /// 0 where nothing was learnt.
    var hashes: [UInt64]
  }

  private var tables: [Table] = []
  private let places: Int
  private let key: SipHash

  /// - Parameter places: of each upstream; a power of two. There are fewer until they are needed.
  public init(places: Int = 1024, key: SipHash) {
    self.places = places
    self.key = key
  }

  /// - Parameter upstream: the upstream's number.
  public mutating func learn(_ uri: RawSpan, upstream: Int) {
    let hash = hash(of: uri)
    let table: Int
    if let known = tables.firstIndex(where: { $0.upstream == upstream }) {
      table = known
    } else {
      table = tables.count
      tables.append(Table(upstream: upstream, hashes: Array(repeating: 0, count: min(places, 16))))
    }
    while true {
      let place = Self.place(of: hash, in: tables[table].hashes)
      let there = tables[table].hashes[place]
      guard there != 0, there != hash, tables[table].hashes.count < places else {
        tables[table].hashes[place] = hash
        return
      }
      tables[table].hashes = Self.doubled(tables[table].hashes)
    }
  }

  public func has(_ uri: RawSpan, upstream: Int) -> Bool {
    guard let table = tables.first(where: { $0.upstream == upstream }) else { return false }
    let hash = hash(of: uri)
    return table.hashes[Self.place(of: hash, in: table.hashes)] == hash
  }

  private func hash(of uri: RawSpan) -> UInt64 { max(1, key.hash64(uri)) }

  private static func place(of hash: UInt64, in hashes: [UInt64]) -> Int {
    Int(truncatingIfNeeded: hash) & (hashes.count - 1)
  }

  private static func doubled(_ hashes: [UInt64]) -> [UInt64] {
    var larger = [UInt64](repeating: 0, count: hashes.count * 2)
    for hash in hashes where hash != 0 { larger[place(of: hash, in: larger)] = hash }
    return larger
  }
}

/// The links that each principal has been shown. What a server tells one of them says nothing to another.
public struct PrincipalLinks<Principal: Hashable & Sendable>: Sendable {
  private var links: [Principal: (learned: LearnedLinks, used: UInt64)] = [:]
  private var clock: UInt64 = 0
  private let most: Int
  private let key: SipHash

  /// - Parameter most: principals; beyond, who has been shown nothing for the longest time is forgotten.
  public init(most: Int = 128, key: SipHash) {
    self.most = most
    self.key = key
  }

  public mutating func learn(_ uri: RawSpan, upstream: Int, by principal: Principal) {
    clock += 1
    if links[principal] == nil {
      if links.count >= most, let oldest = links.min(by: { $0.value.used < $1.value.used })?.key { links[oldest] = nil }
      links[principal] = (LearnedLinks(key: key), clock)
    }
    links[principal]!.learned.learn(uri, upstream: upstream)
    links[principal]!.used = clock
  }

  public subscript(principal: Principal) -> LearnedLinks? { links[principal]?.learned }
}
