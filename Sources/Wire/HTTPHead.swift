import CWire

public enum HTTPMethod: UInt8, Sendable {
  case other, get, head, post, put, delete, options, patch, connect, trace
}

/// The header fields that the gateway acts on, in the order of `cwire_http1_field`.
public enum HeaderField: UInt8, Sendable, CaseIterable {
  case accept, acceptEncoding, accessControlRequestHeaders, accessControlRequestMethod, allow, authorization, baggage
  case cacheControl, connection, contentEncoding, contentLength, contentType, date, expect, forwarded, host, keepAlive
  case lastEventID, location, mcpMethod, mcpName, mcpProtocolVersion, mcpSessionID, origin, retryAfter
  case secWebSocketAccept, secWebSocketExtensions, secWebSocketKey, secWebSocketProtocol, secWebSocketVersion, server
  case te, traceparent, tracestate, trailer, transferEncoding, upgrade, userAgent, wwwAuthenticate
  case xForwardedFor, xForwardedHost, xForwardedProto

  @inline(__always)
  var code: cwire_http1_field { cwire_http1_field(rawValue: UInt32(rawValue)) }

  /// The usual spelling of the name.
  public var name: RawSpan {
    @_lifetime(immortal)
    get { unsafe RawSpan(cwire_http1_field_name(code)) }
  }
}

/// A parsed request head. It points at the parser's scratch, so it dies with the callback that brought it.
@safe
public struct RequestHead: ~Escapable {
  let fields: HeadFields

  /// The head must stay where it is for as long as the view is used.
  @unsafe
  @_lifetime(borrow head)
  public init(_ head: UnsafePointer<cwire_http1_head>) {
    fields = unsafe HeadFields(head)
  }

  public var method: HTTPMethod { HTTPMethod(rawValue: UInt8(unsafe fields.head.pointee.method.rawValue)) ?? .other }

  /// Not decoded; `*` for the asterisk form.
  public var path: RawSpan {
    @_lifetime(copy self)
    get { unsafe fields.bind(unsafe fields.head.pointee.path) }
  }

  /// What follows the question mark.
  public var query: RawSpan? {
    @_lifetime(copy self)
    get { unsafe fields.optional(unsafe fields.head.pointee.query) }
  }

  public var minorVersion: Int { Int(unsafe fields.head.pointee.minor) }
  public var keepAlive: Bool { unsafe fields.head.pointee.keep_alive }
  public var wantsUpgrade: Bool { unsafe fields.head.pointee.upgrade }

  /// As declared; nil without one.
  public var contentLength: Int? { fields.contentLength }

  /// The first line of a field, trimmed.
  @_lifetime(copy self)
  public func header(_ field: HeaderField) -> RawSpan? { fields.header(field) }

  /// Whether the field came on more than one line.
  public func isRepeated(_ field: HeaderField) -> Bool { fields.isRepeated(field) }

  /// The first line of a field that is not one of the known ones, whatever its case.
  @_lifetime(copy self)
  public func header(named name: RawSpan) -> RawSpan? { fields.header(named: name) }

  /// The header lines outside the known fields, and second and later lines of those.
  public var others: HeaderLines {
    @_lifetime(copy self)
    get { HeaderLines(fields) }
  }

  /// The parser's own form of it, for calls into C.
  public func withUnsafeHead<Result>(_ body: (UnsafePointer<cwire_http1_head>) -> Result) -> Result {
    unsafe body(fields.head)
  }
}

/// A parsed response head from an upstream. It points at the parser's scratch.
@safe
public struct ResponseHead: ~Escapable {
  let fields: HeadFields

  @unsafe
  @_lifetime(borrow head)
  public init(_ head: UnsafePointer<cwire_http1_head>) {
    fields = unsafe HeadFields(head)
  }

  public var status: Int { Int(unsafe fields.head.pointee.status) }
  public var keepAlive: Bool { unsafe fields.head.pointee.keep_alive }

  /// As declared; nil without one.
  public var contentLength: Int? { fields.contentLength }

  @_lifetime(copy self)
  public func header(_ field: HeaderField) -> RawSpan? { fields.header(field) }

  public func isRepeated(_ field: HeaderField) -> Bool { fields.isRepeated(field) }

  /// Whether a field that is repeated comes with another value too.
  public func hasOther(_ field: HeaderField, than value: RawSpan) -> Bool {
    let lines = others
    for line in 0..<lines.count where lines.name(line).equalsIgnoringCase(field.name) {
      if !lines.value(line).equals(value) { return true }
    }
    return false
  }

  /// Whether the media type of `Content-Type` is this one, parameters aside.
  public func hasContentType(_ type: StaticString) -> Bool {
    guard let value = header(.contentType) else { return false }
    return MediaType.of(value).equalsIgnoringCase(type)
  }

  public var others: HeaderLines {
    @_lifetime(copy self)
    get { HeaderLines(fields) }
  }
}

/// The header lines that have no place of their own in a head, in order.
public struct HeaderLines: ~Escapable {
  private let fields: HeadFields

  @_lifetime(copy fields)
  init(_ fields: HeadFields) { self.fields = fields }

  public var count: Int { Int(unsafe fields.head.pointee.count) }

  @_lifetime(copy self)
  public func name(_ index: Int) -> RawSpan { unsafe fields.bind(unsafe line(index).name) }

  @_lifetime(copy self)
  public func value(_ index: Int) -> RawSpan { unsafe fields.bind(unsafe line(index).value) }

  private func line(_ index: Int) -> cwire_http1_header {
    precondition(index >= 0 && index < count, "header index out of range")
    let start = unsafe UnsafeRawPointer(fields.head) + MemoryLayout<cwire_http1_head>.offset(of: \.headers)!
    return unsafe start.assumingMemoryBound(to: cwire_http1_header.self)[index]
  }
}

/// What request and response heads have in common.
@safe
struct HeadFields: ~Escapable {
  let head: UnsafePointer<cwire_http1_head>

  @unsafe
  @_lifetime(borrow head)
  init(_ head: UnsafePointer<cwire_http1_head>) { unsafe self.head = head }

  @_lifetime(copy self)
  func bind(_ span: cwire_span) -> RawSpan {
    let bytes = unsafe RawSpan(span)
    return unsafe _overrideLifetime(bytes, copying: self)
  }

  @_lifetime(copy self)
  func optional(_ span: cwire_span) -> RawSpan? {
    guard unsafe span.base != nil else { return nil }
    return unsafe bind(unsafe span)
  }

  var contentLength: Int? {
    let length = unsafe head.pointee.content_length
    return length < 0 ? nil : Int(length)
  }

  @_lifetime(copy self)
  func header(_ field: HeaderField) -> RawSpan? {
    let start = unsafe UnsafeRawPointer(head) + MemoryLayout<cwire_http1_head>.offset(of: \.known)!
    return unsafe optional(unsafe start.assumingMemoryBound(to: cwire_span.self)[Int(field.rawValue)])
  }

  func isRepeated(_ field: HeaderField) -> Bool {
    unsafe head.pointee.repeated >> UInt64(field.rawValue) & 1 != 0
  }

  @_lifetime(copy self)
  func header(named name: RawSpan) -> RawSpan? {
    let value = unsafe name.withC { unsafe cwire_http1_find_header(head, $0) }
    return unsafe optional(unsafe value)
  }
}

public enum MediaType {
  /// The type and subtype of a `Content-Type` or an element of `Accept`, without parameters.
  @_lifetime(copy value)
  public static func of(_ value: RawSpan) -> RawSpan {
    guard let end = value.firstIndex(of: 0x3B) else { return value.trimmed }
    return value.extracting(0..<end).trimmed
  }
}
