import CReactor

#if canImport(Glibc)
  import Glibc
#endif

/// A failure of the C core: who speaks, and the code in the speaker's own numbers.
public struct ReactorError: Error, Sendable, Equatable, CustomStringConvertible {
  public var domain: UInt16
  public var code: Int32

  init(_ error: cr_error) {
    domain = error.domain
    code = error.code
  }

  /// A failure of the operating system, by its errno.
  init(systemError code: Int32) {
    self.init(cr_error(domain: UInt16(CR_DOMAIN_UV.rawValue), code: -code))
  }

  public var isFailure: Bool { domain != 0 }

  /// Whose numbers the code is from.
  public enum Speaker: Sendable { case system, resolver, tls, http, reactor, webSocket }

  public var speaker: Speaker {
    switch cr_domain(rawValue: UInt32(domain)) {
    case CR_DOMAIN_UV: .system
    case CR_DOMAIN_RESOLVER: .resolver
    case CR_DOMAIN_TLS: .tls
    case CR_DOMAIN_HTTP: .http
    case CR_DOMAIN_WEBSOCKET: .webSocket
    default: .reactor
    }
  }

  /// The peer ended the connection in order.
  public var isPeerClosed: Bool {
    UInt32(domain) == CR_DOMAIN_REACTOR.rawValue && UInt32(bitPattern: code) == CR_REASON_PEER_CLOSED.rawValue
  }

  /// A child wrote a line beyond its limit.
  public var isLineTooLong: Bool {
    UInt32(domain) == CR_DOMAIN_REACTOR.rawValue && UInt32(bitPattern: code) == CR_REASON_LINE_TOO_LONG.rawValue
  }

  /// Nobody listens there.
  public var isRefused: Bool { isSystem(ECONNREFUSED) }

  /// The other end of a socket is gone.
  public var isDisconnected: Bool { isSystem(ECONNRESET) || isSystem(EPIPE) }

  /// It would have to be waited for.
  public var isWait: Bool { isSystem(EAGAIN) }

  /// Another user's.
  public var isDenied: Bool { isSystem(EACCES) }

  private func isSystem(_ number: Int32) -> Bool {
    UInt32(domain) == CR_DOMAIN_UV.rawValue && code == -number
  }

  public var isTimeout: Bool {
    isSystem(ETIMEDOUT)
      || UInt32(domain) == CR_DOMAIN_REACTOR.rawValue && UInt32(bitPattern: code) == CR_REASON_TIMED_OUT.rawValue
  }

  /// A sentence for people.
  public var description: String {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      unsafe cr_error_text(cr_error(domain: domain, code: code), buffer.baseAddress!, Int32(buffer.count))
      return unsafe String(cString: buffer.baseAddress!)
    }
  }
}
