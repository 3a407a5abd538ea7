import Wire

/// What is made of the secrets of an installation. The first of them signs; what was signed under another is taken too,
/// so that a secret can be replaced without ending a session.
///
/// Tickets are sealed with SipHash-2-4 of 128 bits. It was designed as a MAC; its key and its tag are of 128 bits, none of
/// the keys leaves the process, and each is derived for one purpose, so that a tag of one kind is none of another. A call
/// pays a tenth of what HMAC-SHA256 would cost. A class, since a call should not copy them.
public final class SessionKeys: Sendable {
  public let signing: SessionKey
  private let others: [SessionKey]

  /// Of secrets, of which there is at least one.
  public init(_ secrets: [[UInt8]]) {
    signing = SessionKey(secrets[0])
    others = secrets.dropFirst().map { SessionKey($0) }
  }

  /// Of a secret that nobody else will ever know.
  public static func ofThisProcess() -> SessionKeys { SessionKeys([SessionSecret.random()]) }

  /// What cursors of lists are sealed with.
  public var cursor: SipHash { signing.cursors }

  /// The ticket that a client has sent.
  public func open(_ text: RawSpan) -> SessionTicket? {
    if let ticket = SessionTicket(text, key: signing) { return ticket }
    for key in others { if let ticket = SessionTicket(text, key: key) { return ticket } }
    return nil
  }

  /// Whether a ticket is for that path and principal, under whichever key it was sealed.
  public func isFor(_ ticket: SessionTicket, path alias: String, principal subject: String) -> Bool {
    ([signing] + others).contains { ticket.path == $0.path(alias) && $0.isOf(ticket.principal, subject) }
  }
}

/// The secret text that keys are derived from.
public enum SessionSecret {
  /// Characters that it must have: as many as 128 bits take in hexadecimal digits.
  public static let shortest = 32

  /// 256 random bits, in hexadecimal digits.
  public static func random() -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    let digits = Array("0123456789abcdef".utf8)
    return (0..<64).map { _ in digits[Int.random(in: 0..<16, using: &generator)] }
  }
}
