import MCP
import Wire

/// Which upstream named a URI in a result. Links need not be listed, so their owner is remembered here, one table per
/// principal and worker. A fixed number of places: a newer link takes the place of an older one. Only a keyed hash of
/// the URI is kept, because strangers choose what stands in it.
package struct LearnedLinks: Sendable {
  private var hashes: [UInt64]
  private var owners: [UInt16]
  private let key: SipHash

  package init(places: Int = 1024, key: SipHash) {
    var size = 16
    while size < places { size *= 2 }
    hashes = Array(repeating: 0, count: size)
    owners = Array(repeating: 0, count: size)
    self.key = key
  }

  /// - Parameter upstream: the upstream's number.
  package mutating func learn(_ uri: RawSpan, upstream: Int) {
    guard upstream < UInt16.max else { return }
    let hash = key.hash64(uri)
    let place = Int(truncatingIfNeeded: hash) & (hashes.count - 1)
    hashes[place] = hash
    owners[place] = UInt16(upstream + 1)
  }

  package func owner(of uri: RawSpan) -> Int? {
    let hash = key.hash64(uri)
    let place = Int(truncatingIfNeeded: hash) & (hashes.count - 1)
    guard owners[place] != 0, hashes[place] == hash else { return nil }
    return Int(owners[place]) - 1
  }
}
