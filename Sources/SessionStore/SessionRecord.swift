import MCP
import Reactor
import Wire

/// What one process tells another of a session, while that takes its place.
///
///     length 4 · kind 1 · id 16 · contents · checksum 4
///
/// The length is that of what follows it; numbers begin with the most significant byte. A kind that is not known is passed
/// over, so that a later version may say more.
public struct SessionRecord: Sendable {
  /// What its client has settled.
  public struct Settled: Sendable, Equatable {
    public var revision: Revision
    public var abilities: ClientCapabilities
    /// The lists of whose changes it was promised to hear.
    public var lists: ListKinds
    /// nil: it asked for none.
    public var logLevel: LogLevel?

    public init(revision: Revision, abilities: ClientCapabilities, lists: ListKinds, logLevel: LogLevel? = nil) {
      self.revision = revision
      self.abilities = abilities
      self.lists = lists
      self.logLevel = logLevel
    }
  }

  public enum Contents: Sendable {
    case settled(Settled)
    /// What it subscribes to by that URI, or not any more.
    case subscription([UInt8], isWanted: Bool)
    case piece(EventLog.Piece)
    /// From here on its streams for messages of no call are the other process's.
    case left
    /// An event for one of those: without a number, as it is the other process's.
    case message(Frame)
    /// The same of all sessions.
    case allLeft
    /// Everything that there was has been said: news follow.
    case complete
    /// A response or a notification of the client's, for the process that asked.
    case reply([UInt8])
    /// Its client has ended it, which is to be noted under that number; under none if it was ended before all else.
    case ended(opened: UInt32, share: UInt16, number: UInt32)
    case noted(number: UInt32)
    /// Of a later version.
    case unknown
  }

  public var session: SessionID
  public var contents: Contents

  /// Of records that concern no session.
  public static let none = SessionID(high: 0, low: 0, worker: 0)

  /// Nobody waits for that to be noted.
  public static let noNumber: UInt32 = 0

  /// An event that is larger is not told, and can't be replayed elsewhere.
  public static let largestEvent = 16 << 20
  fileprivate static let longest = largestEvent + 1024
  fileprivate static let frame = 1 + 16 + 4

  public init(_ session: SessionID, _ contents: Contents) {
    self.session = session
    self.contents = contents
  }

  // MARK: Encoding

  private enum Kind: UInt8 {
    case settled = 1
    case subscription, piece, left, message, allLeft, complete, reply, ended, noted
  }

  private static let isLost: UInt8 = 1
  private static let isLast: UInt8 = 2
  private static let isDelivered: UInt8 = 4
  private static let hasEvent: UInt8 = 8
  private static let noLevel: UInt8 = 0xFF

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    func begin(_ kind: Kind) {
      bytes.append(kind.rawValue)
      bytes.append(number: session.high)
      bytes.append(number: session.low)
    }
    switch contents {
    case .settled(let settled):
      begin(.settled)
      bytes += [settled.revision.rawValue, settled.lists.rawValue, settled.logLevel?.rawValue ?? Self.noLevel]
      bytes.append(number: settled.abilities.rawValue)
    case .subscription(let uri, let isWanted):
      begin(.subscription)
      bytes.append(isWanted ? 1 : 0)
      bytes += uri
    case .piece(let piece):
      begin(.piece)
      let frame = piece.frame.flatMap { $0.count <= Self.largestEvent ? $0 : nil }
      let isLost = piece.isLost || frame == nil && piece.frame != nil
      bytes.append(number: piece.stream)
      bytes.append(number: piece.from)
      bytes.append(number: piece.to)
      bytes.append(
        (isLost ? Self.isLost : 0) | (piece.isLast ? Self.isLast : 0) | (piece.isDelivered ? Self.isDelivered : 0)
          | (frame == nil ? 0 : Self.hasEvent))
      if let frame { bytes += frame.bytes.array }
    case .left: begin(.left)
    case .message(let frame):
      begin(.message)
      bytes += frame.bytes.array
    case .allLeft: begin(.allLeft)
    case .complete: begin(.complete)
    case .reply(let message):
      begin(.reply)
      bytes += message
    case .ended(let minute, let share, let number):
      begin(.ended)
      bytes.append(number: minute)
      bytes.append(number: share)
      bytes.append(number: number)
    case .noted(let number):
      begin(.noted)
      bytes.append(number: number)
    case .unknown: begin(.complete)
    }
    return Self.sealed(bytes)
  }

  /// With its length before it and its checksum behind it.
  static func sealed(_ body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(body.count + 8)
    bytes.append(number: UInt32(body.count + 4))
    bytes += body
    bytes.append(number: checksum(body.rawBytes))
    return bytes
  }

  /// Against accidents. The socket is of this user alone.
  fileprivate static func checksum(_ bytes: RawSpan) -> UInt32 {
    UInt32(truncatingIfNeeded: SipHash(key: InlineArray(repeating: 0)).hash64(bytes))
  }

  /// Reads one whose length and checksum are right. Nil for what can't be meant.
  fileprivate init?(body: RawSpan) {
    session = SessionID(high: body.number(at: 1), low: body.number(at: 9), worker: 0)
    let rest = body.extracting(17..<(body.byteCount - 4))
    switch Kind(rawValue: body[byte: 0]) {
    case .settled:
      guard rest.byteCount >= 5, let revision = Revision(rawValue: rest[byte: 0]), revision.era == .legacy else {
        return nil
      }
      let level = rest[byte: 2]
      guard level == Self.noLevel || LogLevel(rawValue: level) != nil else { return nil }
      contents = .settled(
        Settled(
          revision: revision, abilities: ClientCapabilities(rawValue: rest.number(at: 3)),
          lists: ListKinds(rawValue: rest[byte: 1]), logLevel: LogLevel(rawValue: level)))
    case .subscription:
      guard rest.byteCount > 1 else { return nil }
      contents = .subscription(rest.extracting(1..<rest.byteCount).array, isWanted: rest[byte: 0] != 0)
    case .piece:
      guard rest.byteCount >= 21 else { return nil }
      let flags = rest[byte: 20]
      var piece = EventLog.Piece(stream: rest.number(at: 0), from: rest.number(at: 4), to: rest.number(at: 12))
      piece.isLost = flags & Self.isLost != 0
      piece.isLast = flags & Self.isLast != 0
      piece.isDelivered = flags & Self.isDelivered != 0
      if flags & Self.hasEvent != 0 { piece.frame = Frame(copying: rest.extracting(21..<rest.byteCount)) }
      contents = .piece(piece)
    case .left: contents = .left
    case .message: contents = .message(Frame(copying: rest))
    case .allLeft: contents = .allLeft
    case .complete: contents = .complete
    case .reply: contents = .reply(rest.array)
    case .ended:
      guard rest.byteCount >= 10 else { return nil }
      contents = .ended(opened: rest.number(at: 0), share: rest.number(at: 4), number: rest.number(at: 6))
    case .noted:
      guard rest.byteCount >= 4 else { return nil }
      contents = .noted(number: rest.number(at: 0))
    case nil: contents = .unknown
    }
  }
}

/// Reads records as they come, in pieces of whatever size. A value without I/O.
public struct SessionRecordReader {
  public enum Failure: Error, Equatable {
    /// The other process is of a version with other records.
    case foreign
    /// What has come is none of them.
    case broken
  }

  /// What each side says first.
  static let greeting = Array("sluice sessions 1\n".utf8)

  private var bytes: [UInt8] = []
  private var start = 0
  private var isGreeted: Bool

  /// - Parameter greeted: whether records begin at once.
  init(greeted: Bool = false) { isGreeted = greeted }

  mutating func feed(_ more: [UInt8]) {
    if start == bytes.count {
      bytes = more
      start = 0
      return
    }
    if start > 1 << 20 {
      bytes.removeFirst(start)
      start = 0
    }
    bytes += more
  }

  /// The next record, and how it came; nil until more of it has come.
  mutating func next() throws(Failure) -> (record: SessionRecord, encoded: [UInt8])? {
    guard try greet() else { return nil }
    guard bytes.count - start >= 4 else { return nil }
    let length = Int(bytes.rawBytes.number(at: start) as UInt32)
    guard (SessionRecord.frame...SessionRecord.longest).contains(length) else { throw .broken }
    let end = start + 4 + length
    guard end <= bytes.count else { return nil }
    let encoded = Array(bytes[start..<end])
    guard let record = Self.record(encoded.rawBytes.extracting(4..<encoded.count)) else { throw .broken }
    start = end
    return (record, encoded)
  }

  private static func record(_ body: RawSpan) -> SessionRecord? {
    let end = body.byteCount - 4
    let checksum: UInt32 = body.number(at: end)
    guard checksum == SessionRecord.checksum(body.extracting(0..<end)) else { return nil }
    return SessionRecord(body: body)
  }

  private mutating func greet() throws(Failure) -> Bool {
    if isGreeted { return true }
    let count = min(bytes.count - start, Self.greeting.count)
    guard bytes[start..<(start + count)].elementsEqual(Self.greeting[..<count]) else { throw .foreign }
    guard count == Self.greeting.count else { return false }
    start += count
    isGreeted = true
    return true
  }
}

extension Array where Element == UInt8 {
  /// The most significant byte first.
  fileprivate mutating func append(number: some FixedWidthInteger) {
    for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }
}
