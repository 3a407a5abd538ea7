import MCP
import Wire

/// One call between a client and an upstream that may speak different revisions.
public struct Hop: Sendable, Equatable {
  public var method: Method
  public var client: Revision
  public var upstream: Revision
  /// The called tool's structured results may be other than objects.
  public var hasNonObjectOutput: Bool
  /// The upstream owns a resource that clients see under a marked URI.
  public var marksResources: Bool

  public init(
    _ method: Method, client: Revision, upstream: Revision, hasNonObjectOutput: Bool = false,
    marksResources: Bool = false
  ) {
    self.method = method
    self.client = client
    self.upstream = upstream
    self.hasNonObjectOutput = hasNonObjectOutput
    self.marksResources = marksResources
  }

  public var crossesEras: Bool { client.era != upstream.era }
}

/// What a call is about, and where its message says so.
public enum CallTarget: Sendable, Equatable {
  /// The string tokens of the name or URI.
  case tool(Slice)
  case prompt(Slice)
  case resource(Slice)
  /// A completion's reference to a resource template or URI.
  case template(Slice)
  /// The method needs a name that the message lacks.
  case missing
  /// The method has none.
  case none

  public init(_ envelope: Envelope) {
    switch envelope.method {
    case .toolsCall: self = Self.string(envelope, .name).map { .tool($0) } ?? .missing
    case .promptsGet: self = Self.string(envelope, .name).map { .prompt($0) } ?? .missing
    case .resourcesRead, .resourcesSubscribe, .resourcesUnsubscribe:
      self = Self.string(envelope, .uri).map { .resource($0) } ?? .missing
    case .completionComplete: self = Self.reference(envelope)
    default: self = .none
    }
  }

  public var token: Slice? {
    switch self {
    case .tool(let token), .prompt(let token), .resource(let token), .template(let token): token
    case .missing, .none: nil
    }
  }

  private static func string(_ envelope: Envelope, _ key: Param) -> Slice? {
    guard let member = envelope.member(key), JSON.kind(of: envelope.message[member.value]) == .string else {
      return nil
    }
    return member.value
  }

  private static func reference(_ envelope: Envelope) -> CallTarget {
    guard let member = envelope.member(.ref) else { return .missing }
    let ref = envelope.message[member.value]
    let isPrompt = JSON.isString(JSON.find("type", in: ref), "ref/prompt")
    guard isPrompt || JSON.isString(JSON.find("type", in: ref), "ref/resource"),
      let name = isPrompt ? JSON.findMember("name", in: ref) : JSON.findMember("uri", in: ref),
      JSON.kind(of: ref[name.value]) == .string
    else { return .missing }
    let token = name.value.shifted(by: member.value.offset)
    return isPrompt ? .prompt(token) : .template(token)
  }
}

/// What becomes of a call's name or URI on its way to the upstream.
public enum NameChange: ~Escapable {
  case keep
  /// This string token takes its place.
  case token(RawSpan)
  /// A string token of this text does.
  case text(RawSpan)
}
