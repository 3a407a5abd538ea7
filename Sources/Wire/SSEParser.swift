import CWire

/// Server-sent events as they arrive. Data is handed through by its place in the input; only the short fields are
/// kept. Belongs to one thread; 600 bytes, made when an upstream answers with a stream.
@safe
public final class SSEParser {
  public enum Step: Equatable, Sendable {
    /// The input is used up.
    case more
    /// A piece of the event's data, as a place in the input; `newline`: a line feed stands before it.
    case data(Slice, newline: Bool)
    /// The event is complete.
    case end(End)
    /// A comment line: a sign of life.
    case comment
  }

  public struct End: Equatable, Sendable {
    /// It has a data line; without one browsers dispatch nothing.
    public var hasData: Bool
    /// All its data together is the empty text (a priming event, if it has an id).
    public var isEmpty: Bool
    /// It has an `id` field of its own.
    public var hasID: Bool
    /// Its id or type was longer than what is kept.
    public var isTooLong: Bool
    /// The reconnection time in milliseconds.
    public var retry: Int64?
  }

  private let parser: UnsafeMutablePointer<cwire_sse_parser>
  private let event: UnsafeMutablePointer<cwire_sse_event>

  public init() {
    unsafe parser = .allocate(capacity: 1)
    unsafe event = .allocate(capacity: 1)
    unsafe parser.initialize(to: cwire_sse_parser())
    unsafe event.initialize(to: cwire_sse_event())
    unsafe cwire_sse_init(parser)
  }

  deinit {
    unsafe parser.deallocate()
    unsafe event.deallocate()
  }

  /// Ready for another stream.
  public func reset() {
    unsafe cwire_sse_init(parser)
    unsafe event.pointee = cwire_sse_event()
  }

  /// Takes from `input` at `offset`, which moves on, up to the next thing to report.
  public func next(_ input: RawSpan, at offset: inout Int) -> Step {
    let start = offset
    var taken = 0
    let step: Step = unsafe input.withUnsafeBytes { bytes in
      let base = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      guard let base = unsafe base, start < bytes.count else { return .more }
      var rest = unsafe cwire_span(base: base + start, length: bytes.count - start)
      let code = unsafe cwire_sse_next(parser, &rest, event)
      taken = unsafe bytes.count - start - rest.length
      switch code {
      case CWIRE_SSE_DATA:
        let data = unsafe event.pointee.data
        let place = unsafe data.length == 0 ? 0 : data.base - base
        return .data(Slice(offset: place, length: unsafe data.length), newline: unsafe event.pointee.newline)
      case CWIRE_SSE_END:
        let retry = unsafe event.pointee.retry
        return .end(
          End(
            hasData: unsafe event.pointee.has_data, isEmpty: unsafe event.pointee.data_is_empty,
            hasID: unsafe event.pointee.id_set, isTooLong: unsafe event.pointee.too_long,
            retry: retry < 0 ? nil : retry))
      case CWIRE_SSE_COMMENT: return .comment
      default: return .more
      }
    }
    offset = start + taken
    return step
  }

  /// The type of the event that has just ended; empty means `message`. Copy it before the next step.
  public var type: RawSpan {
    @_lifetime(borrow self)
    get { unsafe bind(unsafe event.pointee.type) }
  }

  /// The last event id in force when the event ended.
  public var id: RawSpan {
    @_lifetime(borrow self)
    get { unsafe bind(unsafe event.pointee.id) }
  }

  @_lifetime(borrow self)
  private func bind(_ span: cwire_span) -> RawSpan {
    let bytes = unsafe RawSpan(span)
    return unsafe _overrideLifetime(bytes, borrowing: self)
  }
}

extension ByteBuffer {
  /// One whole event. A line break in `data` begins a further data line. False, and nothing appended, when id or
  /// type holds a line break or NUL.
  @discardableResult
  public mutating func append(
    event data: RawSpan, id: RawSpan? = nil, type: RawSpan? = nil, retry: Int64? = nil
  ) -> Bool {
    unsafe withFields(id: id, type: type, retry: retry) { buffer, fields in
      unsafe data.withC { data in
        // An empty span without a base would leave the data line out.
        let data = unsafe data.base == nil ? cwire_span_text("") : data
        let length = unsafe withUnsafePointer(to: fields) { unsafe cwire_sse_event_length($0, data) }
        return unsafe buffer.write(room: length) { writer in
          unsafe withUnsafePointer(to: fields) { unsafe cwire_sse_put_event(&writer, $0, data) }
        }
      }
    }
  }

  /// An event without data: only `id` and `retry`.
  @discardableResult
  public mutating func append(eventWithoutData id: RawSpan?, retry: Int64?) -> Bool {
    unsafe withFields(id: id, type: nil, retry: retry) { buffer, fields in
      unsafe buffer.write(room: (unsafe fields.id.length) + 64) { writer in
        unsafe withUnsafePointer(to: fields) { unsafe cwire_sse_put_event(&writer, $0, cwire_span()) }
      }
    }
  }

  /// The start of an event whose data follows on one line, and, below, its end.
  @discardableResult
  public mutating func append(eventOpen id: RawSpan?, type: RawSpan? = nil) -> Bool {
    unsafe withFields(id: id, type: type, retry: nil) { buffer, fields in
      unsafe buffer.write(room: (unsafe fields.id.length) + (unsafe fields.type.length) + 64) { writer in
        unsafe withUnsafePointer(to: fields) { unsafe cwire_sse_put_open(&writer, $0) }
      }
    }
  }

  public mutating func appendEventClose() {
    unsafe write(room: 8) { unsafe cwire_sse_put_close(&$0) }
  }

  /// A comment line that keeps an idle stream alive.
  public mutating func append(comment text: StaticString) {
    unsafe write(room: text.utf8CodeUnitCount + 16) { writer in
      unsafe text.bytes.withC { unsafe cwire_sse_put_comment(&writer, $0) }
    }
  }

  private mutating func withFields(
    id: RawSpan?, type: RawSpan?, retry: Int64?, _ body: (inout ByteBuffer, cwire_sse_fields) -> Bool
  ) -> Bool {
    let hasID = id != nil
    let hasType = type != nil
    var idBytes = RawSpan()
    var typeBytes = RawSpan()
    if let id { idBytes = id }
    if let type { typeBytes = type }
    return unsafe idBytes.withC { id in
      unsafe typeBytes.withC { type in
        let fields = unsafe cwire_sse_fields(
          id: hasID ? (id.base == nil ? cwire_span_text("") : id) : cwire_span(),
          type: hasType ? type : cwire_span(), retry: retry ?? -1)
        return unsafe body(&self, fields)
      }
    }
  }
}
