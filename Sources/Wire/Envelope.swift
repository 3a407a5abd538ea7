import CWire

/// The scratch that one scan at a time writes into: 1.5 KB, one per worker and purpose. A scan invalidates the
/// envelope before it: its accessors would then speak of the later message (within the bounds of their own).
@safe
public final class EnvelopeScanner {
  fileprivate let raw: UnsafeMutablePointer<cwire_jsonrpc_envelope>

  public init() {
    unsafe raw = .allocate(capacity: 1)
    unsafe raw.initialize(to: cwire_jsonrpc_envelope())
  }

  deinit { unsafe raw.deallocate() }

  /// Scans one whole message; a byte order mark before it is no part of it (RFC 8259 section 8.1). A message that is refused has `fault` set and kind `invalid`; its id and method are
  /// what was read of them.
  @_lifetime(copy message, borrow self)
  public func scan(_ message: RawSpan, depth: Int = JSON.defaultDepth) -> Envelope {
    let message = message.withoutByteOrderMark
    let status = unsafe message.withC { unsafe cwire_jsonrpc_scan(raw, $0, UInt32(depth)) }
    return Envelope(message, self, status)
  }

  /// Looks at the first part of a message whose rest has not arrived: the id and the method if their tokens are
  /// wholly there, and the kind as soon as the key that decides has come, else `invalid`.
  @_lifetime(copy part, borrow self)
  public func peek(_ part: RawSpan, depth: Int = JSON.defaultDepth) -> Envelope {
    let part = part.withoutByteOrderMark
    _ = unsafe part.withC { unsafe cwire_jsonrpc_peek(raw, $0, UInt32(depth)) }
    return Envelope(part, self, CWIRE_JSONRPC_OK)
  }
}

/// The JSON-RPC envelope of one message and the members that the gateway reads, by place.
@safe
public struct Envelope: ~Escapable {
  public enum Kind: UInt8, Sendable {
    case invalid, request, notification, result, error
    /// A top-level array, not descended into: step over it with `JSON.items(of:)`.
    case batch
  }

  public enum IDKind: UInt8, Sendable { case absent, string, integer, null, other }

  /// Why a message was refused.
  public struct Fault: Sendable, Equatable {
    /// -32700 or -32600.
    public var code: Int
    /// A short phrase for people.
    public var text: String
    /// The offset that it is about.
    public var offset: Int
  }

  public let message: RawSpan
  private let raw: UnsafePointer<cwire_jsonrpc_envelope>
  private let status: cwire_jsonrpc_status

  @_lifetime(copy message, borrow scanner)
  fileprivate init(_ message: RawSpan, _ scanner: borrowing EnvelopeScanner, _ status: cwire_jsonrpc_status) {
    self.message = message
    unsafe raw = UnsafePointer(scanner.raw)
    self.status = status
  }

  public var kind: Kind { Kind(rawValue: UInt8(truncatingIfNeeded: unsafe raw.pointee.kind.rawValue)) ?? .invalid }

  /// -32700 or -32600 for a message that was refused.
  public var faultCode: Int? { status == CWIRE_JSONRPC_OK ? nil : Int(status.rawValue) }

  /// What is wrong with the message. Allocates.
  public var fault: Fault? {
    guard let code = faultCode else { return nil }
    let text = unsafe String(cString: cwire_jsonrpc_reason_text(raw.pointee.reason))
    return Fault(code: code, text: text, offset: unsafe raw.pointee.fault)
  }

  public var method: Method { Method(unsafe raw.pointee.method_code) }

  /// The method's raw contents, without quotes; empty when there is none.
  public var methodName: RawSpan {
    @_lifetime(copy self)
    get { unsafe bytes(unsafe raw.pointee.method) }
  }

  /// The method's text lies here, without quotes.
  public var methodSlice: Slice? { unsafe slice(unsafe raw.pointee.method) }

  public var idKind: IDKind {
    IDKind(rawValue: UInt8(truncatingIfNeeded: unsafe raw.pointee.id_kind.rawValue)) ?? .other
  }

  /// The raw id token, a string's quotes included.
  public var id: RawSpan? {
    @_lifetime(copy self)
    get { unsafe optional(unsafe raw.pointee.id) }
  }
  public var idSlice: Slice? { unsafe slice(unsafe raw.pointee.id) }

  public var params: RawSpan? {
    @_lifetime(copy self)
    get { unsafe optional(unsafe raw.pointee.params) }
  }
  public var paramsSlice: Slice? { unsafe slice(unsafe raw.pointee.params) }

  public var result: RawSpan? {
    @_lifetime(copy self)
    get { unsafe optional(unsafe raw.pointee.result) }
  }
  public var resultSlice: Slice? { unsafe slice(unsafe raw.pointee.result) }

  public var error: RawSpan? {
    @_lifetime(copy self)
    get { unsafe optional(unsafe raw.pointee.error) }
  }
  public var errorSlice: Slice? { unsafe slice(unsafe raw.pointee.error) }

  /// A direct member of `params`, by its place in the message.
  public func member(_ key: Param) -> Member? {
    unsafe member(cwire_jsonrpc_param(raw, cwire_mcp_param(rawValue: UInt32(key.rawValue))))
  }

  /// A direct member of the `_meta` in `params` or `result`, whichever the message has.
  public func member(_ key: MetaKey) -> Member? {
    unsafe member(cwire_jsonrpc_meta(raw, cwire_mcp_meta(rawValue: UInt32(key.rawValue))))
  }

  /// A direct member of `result`.
  public func member(_ key: ResultKey) -> Member? {
    unsafe member(cwire_jsonrpc_result(raw, cwire_mcp_result(rawValue: UInt32(key.rawValue))))
  }

  /// A direct member of `error`.
  public func member(_ key: ErrorKey) -> Member? {
    unsafe member(cwire_jsonrpc_error(raw, cwire_mcp_error(rawValue: UInt32(key.rawValue))))
  }

  /// The value token of such a member.
  @_lifetime(copy self)
  public func value(_ key: Param) -> RawSpan? {
    guard let member = member(key) else { return nil }
    return message[member.value]
  }

  @_lifetime(copy self)
  public func value(_ key: MetaKey) -> RawSpan? {
    guard let member = member(key) else { return nil }
    return message[member.value]
  }

  @_lifetime(copy self)
  public func value(_ key: ResultKey) -> RawSpan? {
    guard let member = member(key) else { return nil }
    return message[member.value]
  }

  @_lifetime(copy self)
  public func value(_ key: ErrorKey) -> RawSpan? {
    guard let member = member(key) else { return nil }
    return message[member.value]
  }

  /// The members that the message has.
  public var paramsFound: ParamSet { unsafe found(raw.pointee.params_found) }
  public var metaFound: MetaSet { unsafe found(raw.pointee.meta_found) }
  public var resultFound: ResultSet { unsafe found(raw.pointee.result_found) }

  private func found<Key>(_ bits: UInt32) -> KeySet<Key> {
    var set = KeySet<Key>()
    set.bits = bits
    return set
  }

  private func member(_ member: cwire_json_member) -> Member? {
    guard unsafe member.value.base != nil else { return nil }
    return unsafe Member(member, in: message)
  }

  private func slice(_ span: cwire_span) -> Slice? {
    guard unsafe span.base != nil else { return nil }
    let base = unsafe raw.pointee.message.base
    return unsafe Slice(offset: span.base - base!, length: span.length)
  }

  @_lifetime(copy self)
  private func optional(_ span: cwire_span) -> RawSpan? {
    guard let slice = unsafe slice(span) else { return nil }
    return message[slice]
  }

  @_lifetime(copy self)
  private func bytes(_ span: cwire_span) -> RawSpan {
    guard let slice = unsafe slice(span) else { return RawSpan() }
    return message[slice]
  }
}
