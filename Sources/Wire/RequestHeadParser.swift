import CWire

/// Parses one whole request head outside a connection: for tests and tools. The view that it gives is good until the
/// next parse.
@safe
public final class RequestHeadParser {
  private let head: UnsafeMutablePointer<cwire_http1_head>

  public init() {
    unsafe head = .allocate(capacity: 1)
    unsafe head.initialize(to: cwire_http1_head())
  }

  deinit { unsafe head.deallocate() }

  /// Nil for a head that is incomplete or refused.
  @_lifetime(borrow self, copy bytes)
  public func parse(_ bytes: RawSpan) -> RequestHead? {
    var limits = cwire_http1_default_limits()
    let taken = unsafe bytes.withC { unsafe cwire_http1_parse_request(head, &limits, $0, 0) }
    guard taken > 0 else { return nil }
    let view = unsafe RequestHead(UnsafePointer(head))
    return unsafe _overrideLifetime(view, borrowing: self)
  }
}
