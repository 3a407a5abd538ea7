import Wire

/// Sessions that their clients have ended, so that no process makes them anew from their tickets: kept until the tickets
/// are too old to be taken. A value without I/O; on disk it is lines of a file that is appended to.
///
///     ended 1 <16 hexadecimal digits of the id> <minute of opening, 8> <checksum, 8>
///     floor 1 0000000000000000 <minute, 8> <checksum, 8>
///
/// Of those that are too many the ones opened first are forgotten, and a floor says that none of their age is made anew,
/// ended or not: an id that was ended must not come back.
package struct EndedSessions: Sendable {
  /// How many are kept: some 10 MiB of file, and as much memory.
  package static let most = 1 << 18

  /// The minute of opening, by half of the id, which is random enough.
  private var minutes: [PlainKey: UInt32] = [:]
  /// Nothing that was opened in this minute or before is known any more; 0: there is no such minute.
  private var floor: UInt32 = 0
  private let most: Int

  package init(most: Int = Self.most) { self.most = most }

  package var count: Int { minutes.count }

  package func contains(_ id: SessionID, opened minute: UInt32) -> Bool {
    minute <= floor || minutes[PlainKey(id.low)] != nil
  }

  package mutating func end(_ id: SessionID, opened minute: UInt32) { insert(id.low, minute) }

  private mutating func insert(_ key: UInt64, _ minute: UInt32) {
    guard minute > floor else { return }
    minutes[PlainKey(key)] = minute
    guard minutes.count > most else { return }
    raiseFloor(to: minutes.values.sorted()[most / 4])
  }

  private mutating func raiseFloor(to minute: UInt32) {
    floor = max(floor, minute)
    minutes = minutes.filter { $0.value > floor }
  }

  /// Forgets those whose tickets are too old to be taken.
  package mutating func forget(openedBefore minute: UInt32) {
    minutes = minutes.filter { $0.value >= minute }
  }

  // MARK: On disk

  package static func line(of id: SessionID, opened minute: UInt32) -> [UInt8] { line("ended 1 ", id.low, minute) }

  /// All of them as lines.
  package var lines: [UInt8] {
    let ended = minutes.flatMap { Self.line("ended 1 ", $0.key.value, $0.value) }
    return floor == 0 ? ended : Self.line("floor 1 ", 0, floor) + ended
  }

  /// Takes in what lines say. Those that are of no version known here, were cut off or have been tampered with are passed
  /// over.
  package mutating func read(_ text: RawSpan) {
    var start = 0
    while start < text.byteCount {
      let rest = text.extracting(start..<text.byteCount)
      // What has no end was cut off.
      guard let length = rest.firstIndex(of: 0x0A) else { break }
      read(line: rest.extracting(0..<length))
      start += length + 1
    }
  }

  private mutating func read(line: RawSpan) {
    guard line.byteCount == Self.width, let key = line.extracting(8..<24).hexadecimal,
      let minute = line.extracting(25..<33).hexadecimal, let sum = line.extracting(34..<42).hexadecimal,
      line[byte: 33] == 0x20, sum == UInt64(Self.checksum(of: line.extracting(0..<33)))
    else { return }
    if line.hasPrefix("ended 1 ") { insert(key, UInt32(minute)) }
    if line.hasPrefix("floor 1 ") { raiseFloor(to: UInt32(minute)) }
  }

  private static let width = 42

  private static func line(_ mark: StaticString, _ key: UInt64, _ minute: UInt32) -> [UInt8] {
    var line = ByteBuffer(capacity: width + 1)
    line.append(mark)
    line.append(hex: key, digits: 16)
    line.append(" ")
    line.append(hex: UInt64(minute), digits: 8)
    let sum = checksum(of: line.bytes)
    line.append(" ")
    line.append(hex: UInt64(sum), digits: 8)
    line.append("\n")
    return line.bytes.array
  }

  /// SipHash under a key that everybody knows: it is to find what a disk or another process has spoilt.
  private static func checksum(of bytes: RawSpan) -> UInt32 {
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
