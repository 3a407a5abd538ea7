import Wire

/// Sessions that their clients have ended, so that no process makes them anew from their tickets: kept until the tickets
/// are too old to be taken. A value without I/O; on disk it is lines of a file that is appended to.
///
///     ended 2 <16 hexadecimal digits of the id> <share, 4> <minute of opening, 8> <checksum, 8>
///     floor 2 0000000000000000 <share, 4> <minute, 8> <checksum, 8>
///
/// Each opener has a share (`SessionTicket.share`). Of those that are too many the ones opened first are forgotten, of
/// whoever has most, and a floor says that none of that share and that age is made anew, ended or not: an id that was
/// ended must not come back, and who ends many voids none but its own. Lines of version 1 have no share, and their floor is
/// everybody's.
public struct EndedSessions: Sendable {
  /// How many are kept: some 12 MiB of file, and as much memory.
  public static let most = 1 << 18

  /// 16 bits, and beyond them what has none: of which it is not known any more who opened it.
  private typealias Share = UInt32
  private static let everybody: Share = 1 << 16

  private struct Entry {
    /// Of opening.
    var minute: UInt32
    var share: Share
  }

  /// By half of the id, which is random enough.
  private var entries: [PlainKey: Entry] = [:]
  private var counts: [Share: Int] = [:]
  /// Nothing of that share that was opened in this minute or before is known any more.
  private var floors: [Share: UInt32] = [:]
  private let most: Int
  /// What was opened before need not be known: such tickets are too old to be taken.
  public var oldest: UInt32 = 0

  public init(most: Int = Self.most) { self.most = most }

  public var count: Int { entries.count }

  public func contains(_ id: SessionID, opened minute: UInt32, share: UInt16) -> Bool {
    minute <= floor(of: Share(share)) || entries[PlainKey(id.low)] != nil
  }

  public mutating func end(_ id: SessionID, opened minute: UInt32, share: UInt16) {
    insert(id.low, Entry(minute: minute, share: Share(share)))
  }

  /// One of them, as another process learns of it.
  public struct Ending: Sendable, Equatable {
    public var id: SessionID
    public var minute: UInt32
    public var share: UInt16
  }

  /// All of them, without the half of their ids that is not kept.
  public var endings: [Ending] {
    entries.map {
      Ending(
        id: SessionID(high: 0, low: $0.key.value, worker: 0), minute: $0.value.minute,
        share: UInt16(truncatingIfNeeded: $0.value.share))
    }
  }

  private func floor(of share: Share) -> UInt32 { max(floors[share] ?? 0, floors[Self.everybody] ?? 0) }

  private mutating func insert(_ key: UInt64, _ entry: Entry) {
    guard entry.minute >= oldest, entry.minute > floor(of: entry.share) else { return }
    if let former = entries.updateValue(entry, forKey: PlainKey(key)) { counts[former.share, default: 1] -= 1 }
    counts[entry.share, default: 0] += 1
    if entries.count > most { makeRoom() }
  }

  /// Forgets an eighth of what there may be, so that this is not done for each: those too old to be taken, and if these are
  /// not enough, of everybody who has more than a certain number the ones opened first.
  private mutating func makeRoom() {
    let target = most - max(1, most / 8)
    if entries.values.contains(where: { $0.minute < oldest }) { forgetOld() }
    guard entries.count > target else { return }
    let level = level(leaving: target)
    var minutes: [Share: [UInt32]] = [:]
    for entry in entries.values where counts[entry.share, default: 0] > level {
      minutes[entry.share, default: []].append(entry.minute)
    }
    for (share, minutes) in minutes { raiseFloor(of: share, to: minutes.sorted()[minutes.count - level - 1]) }
    dropBelowFloors()
  }

  /// The largest number of which all may keep so many without being more than `total` together.
  private func level(leaving total: Int) -> Int {
    var (low, high) = (0, most + 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if counts.values.reduce(0, { $0 + min($1, middle) }) <= total { low = middle } else { high = middle }
    }
    return low
  }

  private mutating func raiseFloor(of share: Share, to minute: UInt32) {
    floors[share] = max(floors[share] ?? 0, minute)
  }

  private mutating func dropBelowFloors() {
    let everybody = floors[Self.everybody] ?? 0
    let known = floors
    keep { $0.minute > max(everybody, known[$0.share] ?? 0) }
    floors = floors.filter { $0.key == Self.everybody || $0.value > everybody }
  }

  private mutating func keep(_ isKept: (Entry) -> Bool) {
    entries = entries.filter { isKept($0.value) }
    counts = [:]
    for entry in entries.values { counts[entry.share, default: 0] += 1 }
  }

  private mutating func forgetOld() {
    let oldest = oldest
    keep { $0.minute >= oldest }
    floors = floors.filter { $0.value >= oldest }
  }

  /// Forgets those whose tickets are too old to be taken.
  public mutating func forget(openedBefore minute: UInt32) {
    oldest = minute
    forgetOld()
  }

  // MARK: On disk

  public static func line(of id: SessionID, opened minute: UInt32, share: UInt16) -> [UInt8] {
    line("ended", id.low, Share(share), minute)
  }

  /// All of them as lines.
  public var lines: [UInt8] {
    floors.flatMap { Self.line("floor", 0, $0.key, $0.value) }
      + entries.flatMap { Self.line("ended", $0.key.value, $0.value.share, $0.value.minute) }
  }

  /// Takes in what lines say. Those that are of no version known here, were cut off or have been tampered with are passed
  /// over.
  public mutating func read(_ text: RawSpan) {
    var start = 0
    var hasFloors = false
    while start < text.byteCount {
      let rest = text.extracting(start..<text.byteCount)
      // What has no end was cut off.
      guard let length = rest.firstIndex(of: 0x0A) else { break }
      if let line = Line(rest.extracting(0..<length)) {
        if line.isFloor {
          raiseFloor(of: line.share, to: line.minute)
          hasFloors = true
        } else {
          insert(line.key, Entry(minute: line.minute, share: line.share))
        }
      }
      start += length + 1
    }
    if hasFloors { dropBelowFloors() }
  }

  private struct Line {
    let isFloor: Bool
    let key: UInt64
    let share: Share
    let minute: UInt32

    /// Nil for what is none.
    init?(_ text: RawSpan) {
      let hasShare: Bool
      switch text.byteCount {
      case 42 where text.extracting(6..<8).equals("1 "): hasShare = false
      case 47 where text.extracting(6..<8).equals("2 "): hasShare = true
      default: return nil
      }
      let end = text.byteCount
      guard text.hasPrefix("ended ") || text.hasPrefix("floor "), text[byte: end - 9] == 0x20,
        let key = text.extracting(8..<24).hexadecimal,
        let share = hasShare ? text.extracting(25..<29).hexadecimal : UInt64(EndedSessions.everybody),
        let minute = text.extracting((end - 17)..<(end - 9)).hexadecimal,
        let sum = text.extracting((end - 8)..<end).hexadecimal,
        sum == UInt64(EndedSessions.checksum(of: text.extracting(0..<(end - 9))))
      else { return nil }
      isFloor = text.hasPrefix("floor ")
      self.key = key
      self.share = Share(share)
      self.minute = UInt32(minute)
    }
  }

  private static func line(_ kind: StaticString, _ key: UInt64, _ share: Share, _ minute: UInt32) -> [UInt8] {
    var line = ByteBuffer(capacity: 48)
    line.append(kind)
    line.append(share == everybody ? " 1 " : " 2 ")
    line.append(hex: key, digits: 16)
    line.append(" ")
    if share != everybody {
      line.append(hex: UInt64(share), digits: 4)
      line.append(" ")
    }
    line.append(hex: UInt64(minute), digits: 8)
    let sum = checksum(of: line.bytes)
    line.append(" ")
    line.append(hex: UInt64(sum), digits: 8)
    line.append("\n")
    return line.bytes.array
  }

  /// SipHash under a key that everybody knows: it is to find what a disk or another process has spoilt.
  fileprivate static func checksum(of bytes: RawSpan) -> UInt32 {
    UInt32(truncatingIfNeeded: SipHash(key: InlineArray(repeating: 0)).hash64(bytes))
  }
}

extension RawSpan {
  fileprivate var hexadecimal: UInt64? {
    var number: UInt64 = 0
    for index in 0..<byteCount {
      switch self[byte: index] {
      case 0x30...0x39: number = number << 4 | UInt64(self[byte: index] - 0x30)
      case 0x61...0x66: number = number << 4 | UInt64(self[byte: index] - 0x57)
      default: return nil
      }
    }
    return number
  }
}
