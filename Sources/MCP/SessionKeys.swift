import Wire

/// What is made of the secrets of an installation. The first of them signs; what was signed under another is taken too,
/// so that a secret can be replaced without ending a session.
///
/// Tickets are sealed with SipHash-2-4 of 128 bits. It was designed as a MAC; its key and its tag are of 128 bits, none of
/// the keys leaves the process, and each is derived for one purpose, so that a tag of one kind is none of another. A call
/// pays a tenth of what HMAC-SHA256 would cost. A class, since a call should not copy them.
package final class SessionKeys: Sendable {
  /// Of one secret.
  package struct Key: Sendable {
    /// Of the MAC of a ticket.
    let seal: SipHash
    private let names: SipHash
    private let principals: SipHash
    fileprivate let cursors: SipHash

    init(_ secret: [UInt8]) {
      func derive(_ purpose: StaticString) -> SipHash {
        let bytes = HKDF.derive(16, from: secret.rawBytes, for: purpose.bytes)
        var key = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<16 { key[index] = bytes[index] }
        return SipHash(key: key)
      }
      seal = derive("sluice session 1 seal")
      names = derive("sluice session 1 path")
      principals = derive("sluice session 1 principal")
      cursors = derive("sluice cursor 1")
    }

    /// What stands for a path in a ticket: an alias, or nothing for the path of all servers.
    package func path(_ alias: String) -> UInt64 {
      let bytes = Array(alias.utf8)
      return names.hash64(bytes.rawBytes) >> 16
    }

    /// What stands for who opened the session.
    package func principal(_ subject: String) -> UInt64 {
      let bytes = Array(subject.utf8)
      return principals.hash64(bytes.rawBytes)
    }

    /// The same for somebody of whom nothing is known: the last 16 bits, which nobody's word is asked for, are those of the
    /// address, in two words, from which the session was opened.
    package func nobody(at address: (high: UInt64, low: UInt64)) -> UInt64 {
      let words: InlineArray<2, UInt64> = [address.high, address.low]
      return principal("") & ~0xFFFF | principals.hash64(words.span.bytes) & 0xFFFF
    }

    fileprivate func isOf(_ principal: UInt64, _ subject: String) -> Bool {
      let unlike = principal ^ self.principal(subject)
      return subject.isEmpty ? unlike <= 0xFFFF : unlike == 0
    }
  }

  package let signing: Key
  private let others: [Key]

  /// Of secrets, of which there is at least one.
  package init(_ secrets: [[UInt8]]) {
    signing = Key(secrets[0])
    others = secrets.dropFirst().map { Key($0) }
  }

  /// Of a secret that nobody else will ever know.
  package static func ofThisProcess() -> SessionKeys { SessionKeys([SessionSecret.random()]) }

  /// What cursors of lists are sealed with.
  package var cursor: SipHash { signing.cursors }

  /// The ticket that a client has sent.
  package func open(_ text: RawSpan) -> SessionTicket? {
    if let ticket = SessionTicket(text, key: signing) { return ticket }
    for key in others { if let ticket = SessionTicket(text, key: key) { return ticket } }
    return nil
  }

  /// Whether a ticket is for that path and principal, under whichever key it was sealed.
  package func isFor(_ ticket: SessionTicket, path alias: String, principal subject: String) -> Bool {
    ([signing] + others).contains { ticket.path == $0.path(alias) && $0.isOf(ticket.principal, subject) }
  }
}

/// The secret text that keys are derived from.
package enum SessionSecret {
  /// Characters that it must have: as many as 128 bits take in hexadecimal digits.
  package static let shortest = 32

  /// 256 random bits, in hexadecimal digits.
  package static func random() -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    let digits = Array("0123456789abcdef".utf8)
    return (0..<64).map { _ in digits[Int.random(in: 0..<16, using: &generator)] }
  }
}
