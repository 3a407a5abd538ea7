import Wire

/// What is made of one secret: a key for each purpose.
public struct SessionKey: Sendable {
  /// Of the MAC of a ticket.
  let seal: SipHash
  private let names: SipHash
  private let principals: SipHash
  let cursors: SipHash

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
  public func path(_ alias: String) -> UInt64 {
    let bytes = Array(alias.utf8)
    return names.hash64(bytes.rawBytes) >> 16
  }

  /// What stands for who opened the session.
  public func principal(_ subject: String) -> UInt64 {
    let bytes = Array(subject.utf8)
    return principals.hash64(bytes.rawBytes)
  }

  /// The same for somebody of whom nothing is known: the last 16 bits, which nobody's word is asked for, are those of the
  /// address, in two words, from which the session was opened.
  public func nobody(at address: (high: UInt64, low: UInt64)) -> UInt64 {
    let words: InlineArray<2, UInt64> = [address.high, address.low]
    let bits = unsafe principals.hash64(words.span.bytes)
    return principal("") & ~0xFFFF | bits & 0xFFFF
  }

  func isOf(_ principal: UInt64, _ subject: String) -> Bool {
    let unlike = principal ^ self.principal(subject)
    return subject.isEmpty ? unlike <= 0xFFFF : unlike == 0
  }
}
