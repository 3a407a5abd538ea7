import Wire

/// What the id of a session says on the wire, sealed under a key of the installation, so that any process with that key
/// can go on with the session and nobody makes one up. 55 bytes, 74 characters of base64url (visible ASCII, as MCP
/// 2025-11-25 has it, Basic/Transports, Session Management):
///
///     version 1 · random bits 16 · worker 1 · minute 4 · revision 1 · abilities 2 · path 6 · principal 8 · MAC 16
///
/// The byte of the revision says in its upper bits which lists are promised, and at last whether the session is bound.
///
/// It is no secret of the gateway's: who it is for is in it as a keyed hash alone.
public struct SessionTicket: Sendable {
  public static let textLength = 74
  private static let version: UInt8 = 1
  private static let sealed = 39
  /// In the byte of the revision.
  private static let bound: UInt8 = 0x80
  private static let revisions: UInt8 = 0x07

  public let id: SessionID
  /// When the session was opened, since 1970.
  public let minute: UInt32
  /// All that is sealed: a call looks at no more of it.
  private var raw = InlineArray<55, UInt8>(repeating: 0)

  /// - Parameters:
  ///   - minute: when the session was opened, since 1970.
  ///   - revision, abilities: what `initialize` settled.
  ///   - lists: those of whose changes the client was promised to hear.
  ///   - isBound: the session is bound to the connection that it was opened on, and ends with that (HTTP+SSE).
  ///   - path: which path it was opened on, by `SessionKey.path`: 48 bits.
  ///   - principal: whose it is, by `SessionKey.principal` or `nobody`.
  public init(
    _ id: SessionID, minute: UInt32, _ revision: Revision, _ abilities: ClientCapabilities, lists: ListKinds = [],
    isBound: Bool = false, path: UInt64, principal: UInt64
  ) {
    self.id = id
    self.minute = minute
    raw[0] = Self.version
    put(id.high, at: 1, 8)
    put(id.low, at: 9, 8)
    raw[17] = id.worker
    put(UInt64(minute), at: 18, 4)
    raw[22] = revision.rawValue | lists.rawValue << 3 & 0x78 | (isBound ? Self.bound : 0)
    put(UInt64(abilities.rawValue), at: 23, 2)
    put(path, at: 25, 6)
    put(principal, at: 31, 8)
  }

  /// Reads and verifies what a client sent. Nil for anything that was not issued under that key: the time that this takes
  /// says nothing of how much of it was right.
  public init?(_ text: RawSpan, key: SessionKey) {
    guard text.byteCount == Self.textLength else { return nil }
    var room = raw.mutableSpan
    guard Base64.decode(text, .url, filling: &room) else { return nil }
    let bytes = raw.rawBytes
    id = SessionID(high: bytes.number(at: 1), low: bytes.number(at: 9), worker: bytes[byte: 17])
    minute = bytes.number(at: 18)
    let mac = key.seal.hash128(bytes.extracting(0..<Self.sealed))
    guard mac.rawBytes.equalsInConstantTime(bytes.extracting(Self.sealed..<bytes.byteCount)),
      // What follows is our own word; a later version may have said something else.
      raw[0] == Self.version, Revision(rawValue: raw[22] & Self.revisions) != nil
    else { return nil }
  }

  public var revision: Revision { Revision(rawValue: raw[22] & Self.revisions) ?? .newestLegacy }
  public var lists: ListKinds { ListKinds(rawValue: raw[22] >> 3 & 0x0F) }
  public var isBound: Bool { raw[22] & Self.bound != 0 }
  public var abilities: ClientCapabilities { ClientCapabilities(rawValue: raw.rawBytes.number(at: 23)) }
  public var path: UInt64 { raw.rawBytes.number(at: 23) & 0xFFFF_FFFF_FFFF }
  public var principal: UInt64 { raw.rawBytes.number(at: 31) }
  /// On whose account it goes where many are kept: a principal's, or an address's where nothing else is known.
  public var share: UInt16 { raw.rawBytes.number(at: 37) }

  public func append(to buffer: inout ByteBuffer, key: SessionKey) {
    var raw = raw
    let mac = key.seal.hash128(raw.rawBytes.extracting(0..<Self.sealed))
    for index in 0..<16 { raw[Self.sealed + index] = mac[index] }
    buffer.append(base64: raw.rawBytes, .url)
  }

  private mutating func put(_ number: UInt64, at place: Int, _ count: Int) {
    for index in 0..<count { raw[place + index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * (count - 1 - index))) }
  }
}
