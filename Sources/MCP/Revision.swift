import Wire

/// The two ways the protocol has worked: with an `initialize` handshake, or with metadata on each request.
public enum Era: UInt8, Sendable {
  case legacy, modern
}

/// A published revision of the protocol. The labels are identifiers from a fixed list, never compared as text; the
/// order here is only that of publication.
public enum Revision: UInt8, Sendable, CaseIterable, Comparable {
  case r20241105, r20250326, r20250618, r20251125, r20260728

  public static let newestLegacy = Revision.r20251125
  public static let newest = Revision.r20260728

  /// All that the gateway serves, modern first: SDK clients look for a mutual modern entry, then for a legacy one to
  /// fall back to.
  public static let served: [Revision] = [.r20260728, .r20251125, .r20250618, .r20250326, .r20241105]

  public var label: StaticString {
    switch self {
    case .r20241105: "2024-11-05"
    case .r20250326: "2025-03-26"
    case .r20250618: "2025-06-18"
    case .r20251125: "2025-11-25"
    case .r20260728: "2026-07-28"
    }
  }

  /// The revision with that label; nil for any other text.
  public init?(label: RawSpan) {
    for revision in Self.allCases where label.equals(revision.label) {
      self = revision
      return
    }
    return nil
  }

  /// The revision that a JSON string token names.
  public init?(token: RawSpan?) {
    guard let token, let contents = JSON.contents(of: token) else { return nil }
    for revision in Self.allCases where JSON.equals(contents, revision.label.bytes) {
      self = revision
      return
    }
    return nil
  }

  public var era: Era { self == .r20260728 ? .modern : .legacy }

  public static func < (a: Revision, b: Revision) -> Bool { a.rawValue < b.rawValue }

  /// Arrays of messages may be sent, and must be taken.
  public var hasBatches: Bool { self == .r20250326 }
  /// A POST's event stream opens with an event that has an id and no data.
  public var hasPriming: Bool { self == .r20251125 }
  /// `MCP-Protocol-Version` comes with every request after the first.
  public var hasVersionHeader: Bool { self >= .r20250618 }
  public var hasStructuredContent: Bool { self >= .r20250618 }
  /// `structuredContent` and `outputSchema` may be about any JSON value rather than objects alone.
  public var hasAnyStructuredContent: Bool { self == .r20260728 }
  public var hasResourceLinks: Bool { self >= .r20250618 }
  public var hasTitles: Bool { self >= .r20250618 }
  public var hasAudio: Bool { self >= .r20250326 }
  public var hasToolAnnotations: Bool { self >= .r20250326 }
  public var hasProgressMessages: Bool { self >= .r20250326 }
  public var hasElicitation: Bool { self >= .r20250618 }
  public var hasURLElicitation: Bool { self >= .r20251125 }
}

/// Which shape the entries of a list take (schemas: `Tool`, `Resource`, `Prompt`): revisions of one class get the same
/// pages.
public enum RevisionClass: UInt8, Sendable, CaseIterable {
  /// 2024-11-05: no annotations, titles or output schemas.
  case first
  /// 2025-03-26: annotations, which carry the title.
  case annotated
  /// 2025-06-18 and 2025-11-25: titles, and output schemas that are objects.
  case structured
  /// 2026-07-28: any output schema, no `execution`, caching hints.
  case modern

  public init(_ revision: Revision) {
    switch revision {
    case .r20241105: self = .first
    case .r20250326: self = .annotated
    case .r20250618, .r20251125: self = .structured
    case .r20260728: self = .modern
    }
  }
}

extension ByteBuffer {
  /// The labels of everything that is served, as a JSON array.
  public mutating func appendServedVersions() {
    append("[")
    var items = MemberWriter()
    for revision in Revision.served {
      items.separate(&self)
      append("\"")
      append(revision.label)
      append("\"")
    }
    append("]")
  }
}
