import Reactor
import Wire

/// The SSE streams of one legacy session: what was sent on each and where each ends, so that a broken stream can be
/// resumed by `Last-Event-ID` [basic/transports, 2025-03-26 and later].
///
/// A value without I/O: events go in, deliveries come out. Bounded in bytes; an event id is `<stream>-<sequence>`.
struct EventLog {
  typealias StreamNumber = UInt32

  /// Where a stream is being read: a connection of one worker.
  struct Attachment: Equatable, Sendable {
    var worker: Int
    var connection: ConnectionID
  }

  enum Kind: Sendable {
    /// The stream of a GET: messages that belong to no running call.
    case standalone
    /// The answer to a POST: its last event is the response.
    case answer
  }

  /// One encoded event and where it must go now; nil while nobody reads the stream.
  struct Delivery {
    var frame: Frame
    var attachment: Attachment?
  }

  enum Resumption {
    /// The events that the client has not seen. `ended`: the stream's last event is among them, or was seen before.
    case replay([Frame], stream: StreamNumber, ended: Bool, replaced: Attachment?)
    /// The id names no stream of this session.
    case unknown
    /// Events after that id are gone: they did not fit into the log.
    case lost
  }

  private struct Stream {
    var kind: Kind
    var attachment: Attachment?
    var events: [(sequence: UInt64, frame: Frame)] = []
    var bytes = 0
    var nextSequence: UInt64 = 1
    /// Events up to this one can't be replayed any more.
    var forgotten: UInt64 = 0
    var ended = false
    /// Its reader got the last event.
    var delivered = false
    var detachedAt: UInt64 = 0

    /// The number of the next event; nil once there are no more.
    mutating func takeSequence() -> UInt64? {
      guard !ended else { return nil }
      nextSequence += 1
      return nextSequence - 1
    }

    mutating func keep(_ frame: Frame, _ sequence: UInt64) {
      events.append((sequence, frame))
      bytes += frame.count
    }

    /// How much it matters to keep its events: least when it was read to its end, most when its reader is gone.
    var weight: Int { delivered ? 0 : attachment != nil ? 1 : 2 }
  }

  private var streams: [StreamNumber: Stream] = [:]
  private var nextStream: StreamNumber = 1
  private var bytes = 0
  private let capacity: Int
  private let window: UInt64

  /// - Parameters: bytes of events kept for the whole session; milliseconds that a broken stream is kept.
  init(capacity: Int, resumeWindow: UInt64) {
    self.capacity = capacity
    window = resumeWindow
  }

  /// Streams that somebody reads.
  var attachedCount: Int { streams.values.count { $0.attachment != nil } }

  /// Somebody reads a stream for messages of no call.
  var isListened: Bool { streams.values.contains { $0.kind == .standalone && $0.attachment != nil } }

  var attachments: [Attachment] { streams.values.compactMap(\.attachment) }

  mutating func open(_ kind: Kind, _ attachment: Attachment?) -> StreamNumber {
    let number = nextStream
    nextStream += 1
    streams[number] = Stream(kind: kind, attachment: attachment)
    return number
  }

  /// The stream for a message of no call: one that is read if there is one, else one that may still be resumed.
  var standalone: StreamNumber? {
    let candidates = streams.filter { $0.value.kind == .standalone && !$0.value.ended }
    return candidates.filter { $0.value.attachment != nil }.keys.min() ?? candidates.keys.max()
  }

  /// Encodes one message as the next event of a stream and keeps it for replay.
  mutating func append(_ message: RawSpan, to number: StreamNumber, last: Bool = false) -> Delivery? {
    guard let sequence = streams[number]?.takeSequence() else { return nil }
    let frame = Self.encode(message, stream: number, sequence: sequence)
    if last { streams[number]!.ended = true }
    if frame.count > capacity {
      forget(number, upTo: sequence)
    } else {
      streams[number]!.keep(frame, sequence)
      bytes += frame.count
      makeRoom(sparing: number)
    }
    return Delivery(frame: frame, attachment: streams[number]!.attachment)
  }

  /// The last event of a stream is too large to be kept and goes straight to its reader: its `id` line. nil if somebody
  /// else, or nobody, reads the stream.
  mutating func passLast(of number: StreamNumber, to reader: Attachment) -> [UInt8]? {
    guard var stream = streams[number], !stream.ended, stream.attachment == reader else { return nil }
    let sequence = stream.nextSequence
    stream.nextSequence += 1
    stream.ended = true
    bytes -= stream.bytes
    stream.bytes = 0
    stream.events = []
    stream.forgotten = sequence
    streams[number] = stream
    var buffer = ByteBuffer(capacity: 32)
    buffer.append("id: ")
    Self.appendID(&buffer, number, sequence)
    buffer.append("\n")
    return buffer.bytes.array
  }

  /// An event that only carries an id, so that a client that saw nothing yet can resume [SEP-1699].
  mutating func prime(_ number: StreamNumber) -> Frame? {
    guard let sequence = streams[number]?.takeSequence() else { return nil }
    var buffer = ByteBuffer(capacity: 32)
    buffer.append("id: ")
    Self.appendID(&buffer, number, sequence)
    buffer.append("\ndata: \n\n")
    return Frame(copying: buffer.bytes)
  }

  /// The connection that read a stream is gone. True if that was its reader.
  mutating func detach(_ attachment: Attachment, now: UInt64) -> Bool {
    for (number, stream) in streams where stream.attachment == attachment {
      streams[number]!.attachment = nil
      streams[number]!.detachedAt = now
      return true
    }
    return false
  }

  /// Where a stream is being read now.
  func reader(of number: StreamNumber) -> Attachment? { streams[number]?.attachment }

  /// The reader has taken everything of a stream whose last event was delivered.
  mutating func finish(_ number: StreamNumber, now: UInt64) {
    guard let stream = streams[number] else { return }
    streams[number]!.delivered = stream.attachment != nil
    streams[number]!.attachment = nil
    streams[number]!.ended = true
    streams[number]!.detachedAt = now
  }

  mutating func resume(after id: RawSpan, _ attachment: Attachment, now: UInt64) -> Resumption {
    guard let dash = id.firstIndex(of: UInt8(ascii: "-")),
      let numberText = id.extracting(0..<dash).decimal, let number = StreamNumber(exactly: numberText),
      let seen = id.extracting((dash + 1)..<id.byteCount).decimal,
      var stream = streams[number], seen < stream.nextSequence
    else { return .unknown }
    guard seen >= stream.forgotten else { return .lost }
    let replaced = stream.attachment
    let missed = stream.events.filter { $0.sequence > seen }.map(\.frame)
    stream.attachment = stream.ended ? nil : attachment
    stream.detachedAt = now
    streams[number] = stream
    return .replay(missed, stream: number, ended: stream.ended, replaced: replaced)
  }

  /// Forgets streams that nobody came back for.
  mutating func expire(now: UInt64) {
    for (number, stream) in streams where stream.attachment == nil && stream.detachedAt + window <= now {
      guard stream.ended || stream.kind == .standalone else { continue }
      bytes -= stream.bytes
      streams[number] = nil
    }
  }

  // MARK: Bounds

  private mutating func makeRoom(sparing number: StreamNumber) {
    guard bytes > capacity else { return }
    let others = streams.filter { $0.key != number && !$0.value.events.isEmpty }
      .sorted { ($0.value.weight, $0.value.detachedAt) < ($1.value.weight, $1.value.detachedAt) }
    for (other, stream) in others where bytes > capacity { forget(other, upTo: stream.events.last!.sequence) }
    guard bytes > capacity, let events = streams[number]?.events else { return }
    // Some more than needed, so that a full log does not move its events for each new one; never the newest.
    var freed = 0
    var count = 0
    while count < events.count - 1, bytes - freed > capacity - capacity / 8 {
      freed += events[count].frame.count
      count += 1
    }
    guard count > 0 else { return }
    streams[number]!.forgotten = events[count - 1].sequence
    streams[number]!.events.removeFirst(count)
    streams[number]!.bytes -= freed
    bytes -= freed
  }

  /// Everything that a stream brought so far can't be replayed any more.
  private mutating func forget(_ number: StreamNumber, upTo sequence: UInt64) {
    bytes -= streams[number]!.bytes
    streams[number]!.bytes = 0
    streams[number]!.events = []
    streams[number]!.forgotten = sequence
  }

  // MARK: Encoding

  private static func appendID(_ buffer: inout ByteBuffer, _ number: StreamNumber, _ sequence: UInt64) {
    buffer.append(decimal: UInt64(number))
    buffer.append(byte: UInt8(ascii: "-"))
    buffer.append(decimal: sequence)
  }

  private static func encode(_ message: RawSpan, stream: StreamNumber, sequence: UInt64) -> Frame {
    var buffer = ByteBuffer(capacity: message.byteCount + 64)
    buffer.append("id: ")
    appendID(&buffer, stream, sequence)
    buffer.append("\nevent: message\ndata: ")
    buffer.append(flattened: message)
    buffer.append("\n\n")
    return Frame(copying: buffer.bytes)
  }
}

extension ByteBuffer {
  /// A JSON message on one line: line ends, which can only stand between its tokens, become spaces.
  mutating func append(flattened message: RawSpan) {
    var plain = 0
    for index in 0..<message.byteCount {
      let byte = message[byte: index]
      guard byte == 0x0A || byte == 0x0D else { continue }
      append(message.extracting(plain..<index))
      append(byte: 0x20)
      plain = index + 1
    }
    append(message.extracting(plain..<message.byteCount))
  }
}
