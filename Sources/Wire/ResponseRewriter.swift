import CWire

/// What is to change in a response that streams through.
public struct ResponseEdits: ~Copyable {
  /// The id token that replaces the response's own; empty keeps it.
  public var id = ByteBuffer()
  /// Direct members of `result` that are dropped.
  public var removeFromResult = ResultSet()
  /// Direct members of `result._meta` that are dropped.
  public var removeFromMeta = MetaSet()
  /// Members put first into `result`, with commas between them, none around them.
  public var insertIntoResult = ByteBuffer()
  /// The same for `result._meta`, which is added if there is none.
  public var insertIntoMeta = ByteBuffer()
  /// CR and LF outside strings become spaces.
  public var flatten = false
  /// What `resultType` may say if it is there; with anything else the response is refused. Empty: it does not matter.
  public var resultTypes: ResultTypes = []

  public struct ResultTypes: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let complete = ResultTypes(rawValue: UInt8(CWIRE_JSONRPC_COMPLETE))
    public static let inputRequired = ResultTypes(rawValue: UInt8(CWIRE_JSONRPC_INPUT_REQUIRED))
  }

  public init() {}

  /// Nothing changes, keeping the memory.
  public mutating func reset() {
    id.clear()
    removeFromResult = ResultSet()
    removeFromMeta = MetaSet()
    insertIntoResult.clear()
    insertIntoMeta.clear()
    flatten = false
    resultTypes = []
  }
}

/// Rewrites one response object that arrives in pieces, for results of many megabytes: bytes go through as they
/// come, and what is held back is bounded. The output is the same however the input is cut.
@safe
public final class ResponseRewriter {
  public enum Progress: Equatable, Sendable {
    /// All of the input is taken.
    case more
    /// The object is complete and wholly written. Only blanks may follow it.
    case complete(consumed: Int)
    /// Refused with a JSON-RPC code; what was written is to be thrown away.
    case refused(code: Int)
  }

  private let rewrite: UnsafeMutablePointer<cwire_jsonrpc_rewrite>
  // The C options point into this, and nothing touches it again.
  private let edits: ResponseEdits

  public init(_ edits: consuming ResponseEdits, depth: Int = JSON.defaultDepth) {
    self.edits = edits
    unsafe rewrite = .allocate(capacity: 1)
    unsafe rewrite.initialize(to: cwire_jsonrpc_rewrite())
    var options = unsafe cwire_jsonrpc_rewrite_options()
    unsafe options.id = Self.span(self.edits.id)
    unsafe options.remove_result = self.edits.removeFromResult.bits
    unsafe options.remove_meta = self.edits.removeFromMeta.bits
    unsafe options.insert_result = Self.span(self.edits.insertIntoResult)
    unsafe options.insert_meta = Self.span(self.edits.insertIntoMeta)
    unsafe options.flatten = self.edits.flatten
    unsafe options.result_types = self.edits.resultTypes.rawValue
    unsafe options.max_depth = UInt32(depth)
    unsafe cwire_jsonrpc_rewrite_init(rewrite, &options)
  }

  deinit { unsafe rewrite.deallocate() }

  // The buffer's memory is its own allocation, which stays where it is while nobody appends to it.
  private static func span(_ buffer: borrowing ByteBuffer) -> cwire_span {
    guard !buffer.isEmpty else { return unsafe cwire_span() }
    return unsafe buffer.bytes.withC { unsafe $0 }
  }

  /// What the message has turned out to be so far: `result`, `error`, `request` (refused), or `invalid`.
  public var kind: Envelope.Kind {
    Envelope.Kind(rawValue: UInt8(truncatingIfNeeded: unsafe rewrite.pointee.kind.rawValue)) ?? .invalid
  }

  /// Why it was refused.
  public var reason: String {
    unsafe String(cString: cwire_jsonrpc_reason_text(rewrite.pointee.reason))
  }

  /// Takes all of `input` and appends what comes out of it.
  public func feed(_ input: RawSpan, into output: inout ByteBuffer) -> Progress {
    unsafe input.withC { input in
      var rest = unsafe input
      while true {
        let before = unsafe rest.length
        var code: Int32 = 0
        let written = unsafe output.fill(room: before + 512) { out, room in
          var writer = unsafe cwire_writer_make(out, room)
          unsafe code = cwire_jsonrpc_rewrite_feed(rewrite, &rest, &writer)
          return unsafe writer.length
        }
        if code == 0 { return .complete(consumed: unsafe input.length - rest.length) }
        if code < 0 { return .refused(code: Int(code)) }
        // Input used up and the last call had room to spare: nothing is held back for want of output.
        if unsafe rest.length == 0, written < before + 512 { return .more }
      }
    }
  }
}
