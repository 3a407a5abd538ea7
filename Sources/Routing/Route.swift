import MCP
import Wire

/// Where a call goes, and under which name.
public struct Route: Sendable, Equatable {
  /// What becomes of the name or URI on its way to the upstream.
  public enum Rename: Sendable, Equatable {
    case keep
    /// The upstream's own string token: `Routes.ownToken`.
    case listed
    /// These bytes of the unescaped text go: an alias prefix, or a resource's mark.
    case cut(Slice)
  }

  /// The upstream's place in the catalogue.
  public var upstream: Int
  /// The place of the entry in the catalogue's list; nil for a name that nobody listed.
  public var entry: Int?
  public var rename: Rename

  public init(upstream: Int, entry: Int? = nil, rename: Rename = .keep) {
    self.upstream = upstream
    self.entry = entry
    self.rename = rename
  }
}

/// Whose a resource is that an upstream speaks of.
public enum ResourceClaim: Sendable, Equatable {
  /// The upstream's, and clients of the merged view know it by this URI.
  case own(exposed: [UInt8])
  /// Another server's: by this URI clients know something else.
  case anothers
  /// No list, template or prefix says.
  case nobodys
}

extension ByteBuffer {
  /// Appends the text of a name or URI after a cut.
  public mutating func append(_ text: RawSpan, cutting slice: Slice) {
    append(text.extracting(0..<slice.offset))
    append(text.extracting(slice.end..<text.byteCount))
  }
}
