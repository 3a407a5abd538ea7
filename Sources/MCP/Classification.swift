import Wire

/// What an HTTP request to an MCP endpoint that speaks both eras is, found out once (MCP 2026-07-28, Basic, Versioning;
/// Basic/Transports, Streamable HTTP). Authorization, Host and Origin have been checked before.
public enum Inbound: Sendable, Equatable {
  /// A request with its envelope in order. What remains to be checked is the mirrored parameters, which need the
  /// tool's schema, and capabilities.
  case modern(Method)
  /// To be answered 202 and dropped.
  case modernNotification(Method)
  /// An `initialize` that opens a session; the revision is the one to answer with.
  case legacyInitialize(Revision)
  /// Traffic of a session. `header` is the revision that `MCP-Protocol-Version` names, if it came.
  case legacyRequest(Method, header: Revision?)
  case legacyNotification(Method, header: Revision?)
  case legacyResponse(header: Revision?)
  /// An array, which only a session of 2025-03-26 may send. Its elements go through `classify(element:)`.
  case legacyBatch(header: Revision?)
  /// A GET of a session's stream, or of a broken one if there is `Last-Event-ID`.
  case stream(header: Revision?)
  /// A DELETE of a session.
  case terminate(header: Revision?)
  case reject(GatewayError)
}

extension Inbound {
  /// Classifies a GET, DELETE or any other method without a JSON-RPC body.
  public static func classify(_ head: RequestHead) -> Inbound {
    switch head.method {
    case .get, .delete: break
    default: return .reject(GatewayError(.methodNotAllowed))
    }
    let version: Revision?
    switch VersionHeader(head) {
    case .absent: version = nil
    case .repeated: return versionFault(.versionHeader, head)
    // No stream and no session there: the only method is POST.
    case .known(.r20260728): return .reject(GatewayError(.methodNotAllowed))
    case .known(let revision): version = revision
    case .unknown: return versionFault(.versionHeader, head)
    }
    if head.method == .get, !Accept(head).contains(.eventStream) {
      return .reject(
        GatewayError(.notAcceptable, message: "Not acceptable: Accept must name text/event-stream"))
    }
    if head.isRepeated(.mcpSessionID) { return .reject(.severalSessions) }
    guard let session = head.header(.mcpSessionID), session.byteCount > 0 else {
      // Without a session and a version it may be a client of HTTP+SSE, which takes 405 as "not here".
      let kind: GatewayError.Kind = head.method == .get && version == nil ? .methodNotAllowed : .sessionMissing
      return .reject(GatewayError(kind))
    }
    return head.method == .get ? .stream(header: version) : .terminate(header: version)
  }

  /// Classifies a POST with its scanned body, in the order that the official SDKs and the conformance suite agree
  /// on: the message, its envelope, what its headers mirror, the revision, the method. `scratch` is written to.
  public static func classify(_ head: RequestHead, _ envelope: Envelope, scratch: inout ByteBuffer) -> Inbound {
    if !Accept(head).contains([.json, .eventStream]) { return .reject(GatewayError(.notAcceptable)) }
    guard let type = head.header(.contentType), !head.isRepeated(.contentType),
      MediaType.of(type).equalsIgnoringCase("application/json")
    else { return .reject(GatewayError(.unsupportedMediaType)) }

    if let fault = GatewayError(fault: envelope) {
      return .reject(fault)
    }
    let header = VersionHeader(head)
    let isModern = envelope.value(.protocolVersion as MetaKey) != nil
    // Whoever is in between may have looked at the other one.
    if !isModern, head.isRepeated(.mcpSessionID) { return .reject(.severalSessions) }
    switch envelope.kind {
    case .batch: return classifyBatch(head, header)
    case .result, .error: return classifyResponse(head, header)
    case .request, .notification: break
    case .invalid: return .reject(GatewayError(.invalidRequest))
    }
    if isModern { return classifyModern(head, envelope, header, scratch: &scratch) }
    switch header {
    case .repeated: return versionFault(.versionHeader, head)
    // `initialize` says itself what its client speaks.
    case .unknown where envelope.method != .initialize || envelope.kind != .request:
      return versionFault(envelope.kind == .request ? .missingEnvelope : .versionHeader, head)
    default: return classifyLegacy(envelope, header)
    }
  }

  /// Classifies a message that came without an HTTP request of its own, over a WebSocket: it alone says what it is
  /// (MCP 2026-07-28, Basic/Transports, Custom Transports).
  public static func classify(_ envelope: Envelope) -> Inbound {
    if let fault = GatewayError(fault: envelope) { return .reject(fault) }
    switch envelope.kind {
    case .batch: return .legacyBatch(header: nil)
    case .result, .error: return .legacyResponse(header: nil)
    case .invalid: return .reject(GatewayError(.invalidRequest))
    case .request, .notification: break
    }
    guard let token = envelope.value(.protocolVersion as MetaKey) else { return classifyLegacy(envelope, .absent) }
    if envelope.kind == .notification { return .modernNotification(envelope.method) }
    guard let version = JSON.contents(of: token), hasCapabilities(envelope) else {
      return .reject(GatewayError(.missingEnvelope))
    }
    return classifyModern(envelope, version, isServed: Revision(token: token) == .r20260728)
  }

  private static func hasCapabilities(_ envelope: Envelope) -> Bool {
    guard let capabilities = envelope.value(.clientCapabilities as MetaKey) else { return false }
    return JSON.kind(of: capabilities) == .object
  }

  private static func classifyBatch(_ head: RequestHead, _ header: VersionHeader) -> Inbound {
    switch header {
    case .absent: .legacyBatch(header: nil)
    case .known(let revision) where revision.era == .legacy: .legacyBatch(header: revision)
    case .known: .reject(GatewayError(.batchNotAllowed))
    case .repeated, .unknown: versionFault(.batchNotAllowed, head)
    }
  }

  private static func classifyResponse(_ head: RequestHead, _ header: VersionHeader) -> Inbound {
    switch header {
    case .absent: .legacyResponse(header: nil)
    case .known(let revision) where revision.era == .legacy: .legacyResponse(header: revision)
    case .known: .reject(GatewayError(.responseNotAllowed))
    case .repeated, .unknown: versionFault(.responseNotAllowed, head)
    }
  }

  /// A message without the modern envelope.
  private static func classifyLegacy(_ envelope: Envelope, _ header: VersionHeader) -> Inbound {
    let isRequest = envelope.kind == .request
    let revision: Revision?
    switch header {
    case .absent, .repeated, .unknown: revision = nil
    case .known(.r20260728):
      if !isRequest { return .modernNotification(envelope.method) }
      // What a modern server says of a request without its envelope; but `initialize` says which era is meant.
      return .reject(GatewayError(envelope.method == .initialize ? .initializeVersion : .missingEnvelope))
    case .known(let known): revision = known
    }
    guard isRequest else { return .legacyNotification(envelope.method, header: revision) }
    guard envelope.method == .initialize else { return .legacyRequest(envelope.method, header: revision) }
    guard let requested = envelope.value(.protocolVersion as Param), JSON.kind(of: requested) == .string else {
      return .reject(
        GatewayError(.invalidParams, message: "Invalid params: initialize needs params.protocolVersion"))
    }
    return .legacyInitialize(Negotiation.answer(to: requested))
  }

  /// A request whose `MCP-Protocol-Version` says nothing: what it names, and what it could.
  private static func versionFault(_ kind: GatewayError.Kind, _ head: RequestHead) -> Inbound {
    var named = "comes twice"
    if !head.isRepeated(.mcpProtocolVersion), let value = head.header(.mcpProtocolVersion) {
      let text = String(decoding: value.extracting(0..<min(64, value.byteCount)).array, as: UTF8.self)
      named = "is \"\(text)\", which is not served here"
    }
    let served = Revision.served.map(\.label.description).joined(separator: ", ")
    let beginning = kind == .missingEnvelope ? "Invalid params" : "Bad request"
    return .reject(GatewayError(kind, message: "\(beginning): MCP-Protocol-Version \(named); served: \(served)"))
  }

  /// A message with the modern envelope: its `_meta` names a version.
  private static func classifyModern(
    _ head: RequestHead, _ envelope: Envelope, _ header: VersionHeader, scratch: inout ByteBuffer
  ) -> Inbound {
    guard let token = envelope.value(.protocolVersion as MetaKey), let version = JSON.contents(of: token),
      hasCapabilities(envelope)
    else {
      if envelope.kind == .notification { return .modernNotification(envelope.method) }
      return .reject(GatewayError(.missingEnvelope))
    }
    if header == .repeated {
      return mismatch("MCP-Protocol-Version comes twice")
    }
    guard let named = head.header(.mcpProtocolVersion), JSON.equals(version, named) else {
      return mismatch("MCP-Protocol-Version is absent or differs from the version in _meta")
    }
    if envelope.kind == .notification { return .modernNotification(envelope.method) }
    if let fault = mirrorFault(head, envelope, scratch: &scratch) { return fault }
    return classifyModern(envelope, version, isServed: header == .known(.r20260728))
  }

  /// A request whose envelope is whole; `version` is what it names.
  private static func classifyModern(_ envelope: Envelope, _ version: RawSpan, isServed: Bool) -> Inbound {
    guard isServed else {
      return .reject(GatewayError(.unsupportedVersion, detail: .versions(requested: version.array)))
    }
    guard envelope.method.isRequest(in: .r20260728) else { return .reject(GatewayError(.methodNotFound)) }
    if let level = envelope.value(.logLevel as MetaKey), LogLevel(token: level) == nil {
      return .reject(GatewayError(.invalidParams, message: "Invalid params: unknown log level in _meta"))
    }
    return .modern(envelope.method)
  }

  /// Whether `Mcp-Method` and `Mcp-Name` say what the body says.
  private static func mirrorFault(
    _ head: RequestHead, _ envelope: Envelope, scratch: inout ByteBuffer
  ) -> Inbound? {
    guard !head.isRepeated(.mcpMethod) else { return mismatch("Mcp-Method comes twice") }
    guard let method = head.header(.mcpMethod), JSON.equals(envelope.methodName, method) else {
      return mismatch("Mcp-Method is absent or differs from the method")
    }
    let key: Param
    switch envelope.method.mirroredName {
    case .name: key = .name
    case .uri: key = .uri
    case .taskID: key = .taskID
    case nil: return head.isRepeated(.mcpName) ? mismatch("Mcp-Name comes twice") : nil
    }
    guard !head.isRepeated(.mcpName) else { return mismatch("Mcp-Name comes twice") }
    let header = head.header(.mcpName)
    guard let value = envelope.value(key), let contents = JSON.contents(of: value) else {
      // Without the parameter there is nothing to mirror; that it is missing is found when the call is dispatched.
      return header == nil ? nil : mismatch("Mcp-Name has no counterpart in the body")
    }
    guard let header else { return mismatch("Mcp-Name is absent") }
    scratch.clear()
    guard HeaderCodec.decode(header, into: &scratch) else { return mismatch("Mcp-Name is malformed") }
    return JSON.equals(contents, scratch.bytes) ? nil : mismatch("Mcp-Name differs from the body")
  }

  private static func mismatch(_ text: String) -> Inbound {
    .reject(GatewayError(.headerMismatch, message: "Header mismatch: \(text)"))
  }
}

/// What `MCP-Protocol-Version` says.
enum VersionHeader: Equatable {
  case absent, repeated, unknown
  case known(Revision)

  init(_ head: RequestHead) {
    guard let value = head.header(.mcpProtocolVersion) else {
      self = .absent
      return
    }
    if head.isRepeated(.mcpProtocolVersion) {
      self = .repeated
    } else if let revision = Revision(label: value) {
      self = .known(revision)
    } else {
      self = .unknown
    }
  }
}

/// Which of the two answer types an `Accept` allows (RFC 9110 section 12.5.1).
public struct Accept: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let json = Accept(rawValue: 1)
  public static let eventStream = Accept(rawValue: 2)

  public init(_ head: RequestHead) {
    var set: Accept = []
    if let value = head.header(.accept) { set.formUnion(Accept(value)) }
    if head.isRepeated(.accept) {
      let others = head.others
      for index in 0..<others.count where others.name(index).equalsIgnoringCase("accept") {
        set.formUnion(Accept(others.value(index)))
      }
    }
    self = set
  }

  /// Reads one line. Wildcards count; an element that is refused by `q=0` does not.
  init(_ line: RawSpan) {
    // What SDK clients send, to the letter.
    if line.equals("application/json, text/event-stream") {
      self = [.json, .eventStream]
      return
    }
    var set: Accept = []
    var start = 0
    while start <= line.byteCount {
      let rest = line.extracting(start..<line.byteCount)
      let length = rest.firstIndex(of: 0x2C) ?? rest.byteCount
      let element = rest.extracting(0..<length).trimmed
      start += length + 1
      let type = MediaType.of(element)
      let refused = Self.hasZeroWeight(element)
      guard !refused else { continue }
      if type.equalsIgnoringCase("*/*") {
        set = [.json, .eventStream]
      } else if type.equalsIgnoringCase("application/json") || type.equalsIgnoringCase("application/*") {
        set.insert(.json)
      } else if type.equalsIgnoringCase("text/event-stream") || type.equalsIgnoringCase("text/*") {
        set.insert(.eventStream)
      }
    }
    self = set
  }

  private static func hasZeroWeight(_ element: RawSpan) -> Bool {
    guard var at = element.firstIndex(of: 0x3B) else { return false }
    while at < element.byteCount {
      let rest = element.extracting((at + 1)..<element.byteCount)
      let length = rest.firstIndex(of: 0x3B) ?? rest.byteCount
      let parameter = rest.extracting(0..<length).trimmed
      at += length + 1
      if parameter.byteCount >= 3, parameter.extracting(0..<2).equalsIgnoringCase("q=") {
        let weight = parameter.extracting(2..<parameter.byteCount)
        for index in 0..<weight.byteCount where weight[byte: index] != 0x30 && weight[byte: index] != 0x2E {
          return false
        }
        return true
      }
    }
    return false
  }
}
