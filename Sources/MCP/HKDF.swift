import Wire

/// Keys from a secret: RFC 5869 with SHA-256 and no salt.
enum HKDF {
  /// - Parameters: how many bytes, at most 8,160; what the secret is; what the key is for.
  static func derive(_ count: Int, from secret: RawSpan, for purpose: RawSpan) -> [UInt8] {
    let extracted = authenticate(secret.array, key: [UInt8](repeating: 0, count: 32))
    var derived: [UInt8] = []
    var block: [UInt8] = []
    while derived.count < count {
      block = authenticate(block + purpose.array + [UInt8(derived.count / 32 + 1)], key: extracted)
      derived += block
    }
    return Array(derived[..<count])
  }

  /// HMAC-SHA256 (RFC 2104), for keys of at most 64 bytes.
  static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    let padded = key + [UInt8](repeating: 0, count: 64 - key.count)
    let inner = digest(padded.map { $0 ^ 0x36 } + message)
    return digest(padded.map { $0 ^ 0x5C } + inner)
  }

  private static func digest(_ bytes: [UInt8]) -> [UInt8] {
    SHA256.digest(bytes.rawBytes).flatMap { word in
      (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) }
    }
  }
}
