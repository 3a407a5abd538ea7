import Reactor
import Wire

/// The SSE streams of one legacy session: what was sent on each and where each ends, so that a broken stream can be
/// resumed by `Last-Event-ID` [basic/transports, 2025-03-26 and later].
///
/// A value without I/O: events go in, deliveries come out. Bounded in bytes; an event id is `<stream>-<sequence>`.
public struct EventLog {
  public typealias StreamNumber = UInt32

  public enum Kind: Sendable {
    /// The stream of a GET: messages that belong to no running call.
    case standalone
    /// The answer to a POST: its last event is the response.
    case answer
  }

  /// One event of a stream. Its `id` line is the stream's own; all the rest may be shared with other sessions.
  public struct Event: Sendable {
    public let stream: StreamNumber
    let sequence: UInt64
    /// From `event:` to the empty line.
    public let frame: Frame

    public func appendIDLine(to buffer: inout ByteBuffer) { EventLog.appendIDLine(&buffer, stream, sequence) }
  }

  /// An event and the connection that it must go to now; nil while nobody reads the stream.
  public struct Delivery {
    public var event: Event
    public var reader: ConnectionID?
  }

  public enum Resumption {
    /// The events that the client has not seen. `ended`: the stream's last event is among them, or was seen before.
    case replay([Event], stream: StreamNumber, ended: Bool, replaced: ConnectionID?)
    /// The id names no stream of this session.
    case unknown
    /// It may have named one for messages of no call, which is not known any more.
    case gone
    /// Events after that id are gone: they did not fit into the log.
    case lost
    /// Another process may have given that id without having told of it yet.
    case early
    /// Nothing follows that event, and nothing ever will.
    case over
  }

  private struct Stream {
    let number: StreamNumber
    let kind: Kind
    var ended = false
    /// Its reader got the last event.
    var delivered = false
    /// Another process adds to it.
    var isForeign = false
    private var attached: ConnectionID
    var events: [(sequence: UInt64, frame: Frame)] = []
    var bytes: UInt32 = 0
    /// Events on their way to its reader's worker.
    var posted: Int32 = 0
    var nextSequence: UInt64 = 1
    /// Events up to this one can't be replayed any more.
    var forgotten: UInt64 = 0
    var detachedAt: UInt64 = 0

    init(_ number: StreamNumber, _ kind: Kind, _ reader: ConnectionID?) {
      self.number = number
      self.kind = kind
      attached = reader ?? .none
    }

    /// The connection that reads it.
    var reader: ConnectionID? {
      get { attached.isNone ? nil : attached }
      set { attached = newValue ?? .none }
    }

    /// The number of the next event; nil once there are no more.
    mutating func takeSequence() -> UInt64? {
      guard !ended else { return nil }
      nextSequence += 1
      return nextSequence - 1
    }

    mutating func keep(_ frame: Frame, _ sequence: UInt64) {
      events.append((sequence, frame))
      bytes += UInt32(frame.count)
    }

    /// Nothing that it brought up to that event can be replayed any more. The bytes that this frees.
    mutating func forget(upTo sequence: UInt64) -> UInt32 {
      defer { bytes = 0 }
      events = []
      forgotten = sequence
      return bytes
    }

    /// How much it matters to keep its events: least when it was read to its end, most when its reader is gone.
    var weight: Int { delivered ? 0 : reader != nil ? 1 : 2 }
  }

  /// In the order of their numbers. Nothing is allocated before the first.
  private var streams: [Stream] = []
  /// Those of standalone streams are odd, those of answers even, so that an id says what it was about when nothing else
  /// does.
  private var lastStream: StreamNumber = 0
  /// A gibibyte and a day are the most that may be configured.
  private let capacity: UInt32
  private let window: UInt32
  private var bytes: UInt32 = 0

  /// More events than a stream may have brought while they were not told of.
  private static let gap: UInt64 = 1 << 20

  /// - Parameters: bytes of events kept for the whole session; milliseconds that a broken stream is kept.
  public init(capacity: Int, resumeWindow: UInt64) {
    self.capacity = UInt32(clamping: capacity)
    window = UInt32(clamping: resumeWindow)
  }

  /// Begins with a number that no other log of the same session has come to, so that an id of theirs is not taken for one
  /// of this one's.
  public mutating func skipNumbers() { lastStream = .random(in: 1 << 16..<1 << 30) }

  private func place(of number: StreamNumber) -> Int? {
    var low = 0
    var high = streams.count
    while low < high {
      let middle = (low + high) / 2
      if streams[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low < streams.count && streams[low].number == number ? low : nil
  }

  /// Streams that somebody reads.
  public var attachedCount: Int { streams.count { $0.reader != nil } }

  /// Somebody reads a stream for messages of no call.
  public var isListened: Bool { streams.contains { $0.kind == .standalone && $0.reader != nil } }

  public var readers: [ConnectionID] { streams.compactMap(\.reader) }

  public mutating func open(_ kind: Kind, _ reader: ConnectionID?) -> StreamNumber {
    if lastStream > .max - 2 { skipNumbers() }
    lastStream += (lastStream.isMultiple(of: 2) == (kind == .standalone)) ? 1 : 2
    let number = lastStream
    insert(Stream(number, kind, reader))
    return number
  }

  /// Where it is then.
  @discardableResult
  private mutating func insert(_ stream: Stream) -> Int {
    let place = (streams.lastIndex { $0.number < stream.number } ?? -1) + 1
    streams.insert(stream, at: place)
    return place
  }

  /// The stream that a connection reads for messages of no call.
  public func standalone(readBy reader: ConnectionID) -> StreamNumber? {
    streams.first { $0.reader == reader && $0.kind == .standalone }?.number
  }

  /// The stream for a message of no call: one that is read if there is one, else one that may still be resumed.
  public var standalone: StreamNumber? {
    var latest: StreamNumber?
    for stream in streams where stream.kind == .standalone && !stream.ended {
      if stream.reader != nil { return stream.number }
      latest = stream.number
    }
    return latest
  }

  /// Makes an encoded message the next event of a stream and keeps it for replay.
  public mutating func append(_ frame: Frame, to number: StreamNumber, last: Bool = false) -> Delivery? {
    guard let place = place(of: number), let sequence = streams[place].takeSequence() else { return nil }
    let reader = streams[place].reader
    if last { streams[place].ended = true }
    if frame.count > capacity {
      bytes -= streams[place].forget(upTo: sequence)
    } else {
      streams[place].keep(frame, sequence)
      bytes += UInt32(frame.count)
      makeRoom(sparing: place)
    }
    return Delivery(event: Event(stream: number, sequence: sequence, frame: frame), reader: reader)
  }

  /// Whether a worker may write the event that it has just appended, which must not overtake one that another worker sent
  /// on its way. If not, it is posted too, before anything else is appended.
  public mutating func mayWrite(to number: StreamNumber, on worker: Int) -> Bool {
    guard let place = place(of: number), streams[place].reader?.worker != worker || streams[place].posted > 0 else {
      return true
    }
    streams[place].posted += 1
    return false
  }

  /// An event that was posted has come to its worker.
  public mutating func arrived(on number: StreamNumber) {
    if let place = place(of: number) { streams[place].posted -= 1 }
  }

  /// The last event of a stream is too large to be kept and goes straight to its reader: its `id` line. nil if somebody
  /// else, or nobody, reads the stream.
  public mutating func passLast(of number: StreamNumber, to reader: ConnectionID) -> [UInt8]? {
    guard let place = place(of: number), streams[place].reader == reader, let sequence = streams[place].takeSequence()
    else { return nil }
    streams[place].ended = true
    bytes -= streams[place].forget(upTo: sequence)
    var buffer = ByteBuffer(capacity: 32)
    Self.appendIDLine(&buffer, number, sequence)
    return buffer.bytes.array
  }

  /// An event that only carries an id, so that a client that saw nothing yet can resume, and when it may [SEP-1699].
  /// - Parameter retry: milliseconds that it shall wait once its connection has ended.
  public mutating func prime(_ number: StreamNumber, retry: UInt64) -> Frame? {
    guard let place = place(of: number), let sequence = streams[place].takeSequence() else { return nil }
    var buffer = ByteBuffer(capacity: 48)
    Self.appendIDLine(&buffer, number, sequence)
    buffer.append(retry: retry)
    buffer.append("data: \n\n")
    return Frame(copying: buffer.bytes)
  }

  /// The connection that read a stream is gone. True if that was its reader.
  public mutating func detach(_ reader: ConnectionID, now: UInt64) -> Bool {
    guard let place = streams.firstIndex(where: { $0.reader == reader }) else { return false }
    streams[place].reader = nil
    streams[place].detachedAt = now
    return true
  }

  /// Where a stream is being read now.
  public func reader(of number: StreamNumber) -> ConnectionID? { place(of: number).flatMap { streams[$0].reader } }

  /// The reader has taken everything of a stream whose last event was delivered.
  public mutating func finish(_ number: StreamNumber, now: UInt64) {
    guard let place = place(of: number) else { return }
    streams[place].delivered = streams[place].reader != nil
    streams[place].reader = nil
    streams[place].ended = true
    streams[place].detachedAt = now
  }

  /// - Parameter isShared: whether another process may still have something to tell.
  public mutating func resume(
    after id: RawSpan, _ reader: ConnectionID, isShared: Bool = false, now: UInt64
  ) -> Resumption {
    guard let dash = id.firstIndex(of: UInt8(ascii: "-")),
      let numberText = id.extracting(0..<dash).decimal, let number = StreamNumber(exactly: numberText),
      let seen = id.extracting((dash + 1)..<id.byteCount).decimal
    else { return .unknown }
    guard let place = place(of: number) else {
      if isShared { return .early }
      return number.isMultiple(of: 2) ? .unknown : .gone
    }
    guard seen < streams[place].nextSequence else { return isShared && streams[place].isForeign ? .early : .unknown }
    let stream = streams[place]
    guard seen >= stream.forgotten else { return .lost }
    let missed = stream.events.filter { $0.sequence > seen }.map {
      Event(stream: number, sequence: $0.sequence, frame: $0.frame)
    }
    if stream.ended {
      // A client that did not find its answer among the events would come back for ever, and must not keep the stream alive.
      guard !missed.isEmpty else { return .over }
    } else {
      streams[place].reader = reader
    }
    return .replay(missed, stream: number, ended: stream.ended, replaced: stream.reader)
  }

  /// Forgets streams that nobody came back for.
  public mutating func expire(now: UInt64) {
    let before = streams.count
    streams.removeAll { stream in
      guard stream.reader == nil, stream.detachedAt + UInt64(window) <= now,
        stream.ended || stream.kind == .standalone
      else { return false }
      bytes -= stream.bytes
      return true
    }
    if streams.count < before / 2 { streams = Array(streams) }
  }

  // MARK: Bounds

  /// Bytes of events of streams that nobody reads.
  public var unreadBytes: Int { streams.reduce(0) { $0 + ($1.reader == nil ? Int($1.bytes) : 0) } }

  /// What streams that nobody reads have brought can't be replayed any more. The bytes that this frees.
  public mutating func forgetUnread() -> Int {
    var freed: UInt32 = 0
    for place in streams.indices where streams[place].reader == nil {
      guard let last = streams[place].events.last else { continue }
      freed += streams[place].forget(upTo: last.sequence)
    }
    bytes -= freed
    return Int(freed)
  }

  private mutating func makeRoom(sparing place: Int) {
    guard bytes > capacity else { return }
    let others = streams.indices.filter { $0 != place && !streams[$0].events.isEmpty }.sorted {
      (streams[$0].weight, streams[$0].detachedAt) < (streams[$1].weight, streams[$1].detachedAt)
    }
    for other in others where bytes > capacity {
      bytes -= streams[other].forget(upTo: streams[other].events.last!.sequence)
    }
    guard bytes > capacity else { return }
    // Some more than needed, so that a full log does not move its events for each new one; never the newest.
    let enough = capacity - capacity / 8
    let events = streams[place].events
    var freed: UInt32 = 0
    var count = 0
    while count < events.count - 1, bytes - freed > enough {
      freed += UInt32(events[count].frame.count)
      count += 1
    }
    guard count > 0 else { return }
    streams[place].forgotten = events[count - 1].sequence
    streams[place].events.removeFirst(count)
    streams[place].bytes -= freed
    bytes -= freed
  }

  // MARK: Two processes

  /// A part of a stream, as another process is told of it: events of which all but one, at most, can't be replayed.
  public struct Piece: Sendable {
    public var stream: StreamNumber
    /// The number of its first event, and of the first one after it.
    var from: UInt64
    var to: UInt64
    /// The last one of them.
    public var frame: Frame?
    /// They did not fit into the log, so that nothing before them can be replayed either.
    public var isLost = false
    /// Nothing follows.
    public var isLast = false
    var isDelivered = false
  }

  /// What was added to a stream last.
  public func latestPiece(of number: StreamNumber) -> Piece? {
    guard let place = place(of: number), streams[place].nextSequence > 1 else { return nil }
    let stream = streams[place]
    let sequence = stream.nextSequence - 1
    return Piece(
      stream: number, from: sequence, to: sequence + 1,
      frame: stream.events.last.flatMap { $0.sequence == sequence ? $0.frame : nil },
      isLost: stream.forgotten == sequence, isLast: stream.ended, isDelivered: stream.delivered)
  }

  /// All that is known of the streams, in order.
  public var pieces: [Piece] {
    streams.flatMap { stream in
      var next = stream.forgotten + 1
      var pieces: [Piece] = []
      for (sequence, frame) in stream.events {
        pieces.append(Piece(stream: stream.number, from: next, to: sequence + 1, frame: frame))
        next = sequence + 1
      }
      pieces.append(
        Piece(
          stream: stream.number, from: next, to: stream.nextSequence, isLast: stream.ended,
          isDelivered: stream.delivered))
      return pieces
    }
  }

  /// Takes in what another process says of a stream of its own. What is known already changes nothing, and what was missed
  /// can't be replayed. Gives the event that is new, and its reader.
  public mutating func adopt(_ piece: Piece, now: UInt64) -> Delivery? {
    let hasEvent = piece.frame != nil
    guard piece.stream > 0, piece.from > 0, piece.from <= piece.to, !hasEvent || piece.from < piece.to,
      piece.to <= UInt64(Int64.max)
    else { return nil }
    let place: Int
    if let known = self.place(of: piece.stream) {
      place = known
    } else {
      var stream = Stream(piece.stream, piece.stream.isMultiple(of: 2) ? .answer : .standalone, nil)
      stream.isForeign = true
      stream.detachedAt = now
      place = insert(stream)
    }
    guard streams[place].isForeign, piece.to >= streams[place].nextSequence else { return nil }
    let isNew = piece.to > streams[place].nextSequence
    if piece.from > streams[place].nextSequence { bytes -= streams[place].forget(upTo: piece.from - 1) }
    if isNew, piece.isLost { bytes -= streams[place].forget(upTo: piece.to - 1) }
    streams[place].nextSequence = piece.to
    if piece.isLast, !streams[place].ended {
      streams[place].ended = true
      streams[place].detachedAt = now
    }
    if piece.isDelivered { streams[place].delivered = true }
    guard isNew, let frame = piece.frame else { return nil }
    let event = Event(stream: piece.stream, sequence: piece.to - 1, frame: frame)
    let reader = streams[place].reader
    if frame.count > capacity {
      bytes -= streams[place].forget(upTo: event.sequence)
    } else {
      streams[place].keep(frame, event.sequence)
      bytes += UInt32(frame.count)
      makeRoom(sparing: place)
    }
    return Delivery(event: event, reader: reader)
  }

  /// Whether another process adds to a stream.
  public func isForeign(_ number: StreamNumber) -> Bool { place(of: number).map { streams[$0].isForeign } ?? false }

  /// Begins with numbers that the other process does not come to.
  public mutating func beginBeyond() {
    guard let last = streams.last?.number else { return }
    let (number, overflow) = last.addingReportingOverflow(1 << 20)
    if overflow { skipNumbers() } else { lastStream = max(lastStream, number) }
  }

  /// The other process leaves streams for messages of no call to this one.
  public mutating func takeOver() {
    for place in streams.indices where streams[place].kind == .standalone { streams[place].isForeign = false }
  }

  /// It has gone, and leaves all. Nobody brings the answers that it had not finished: such a stream ends with this event,
  /// which is given with who reads it.
  public mutating func takeOver(endingAnswersWith last: Frame, now: UInt64) -> [Delivery] {
    takeOver()
    var ends: [Delivery] = []
    for number in streams.filter(\.isForeign).map(\.number) {
      guard let place = place(of: number) else { continue }
      streams[place].isForeign = false
      guard !streams[place].ended else { continue }
      // Its clients may have had events that this process was not told of.
      streams[place].nextSequence += Self.gap
      if let end = append(last, to: number, last: true) { ends.append(end) }
      streams[place].reader = nil
      streams[place].detachedAt = now
    }
    return ends
  }

  // MARK: Encoding

  private static func appendIDLine(_ buffer: inout ByteBuffer, _ number: StreamNumber, _ sequence: UInt64) {
    buffer.append("id: ")
    buffer.append(decimal: UInt64(number))
    buffer.append(byte: UInt8(ascii: "-"))
    buffer.append(decimal: sequence)
    buffer.append("\n")
  }

  /// A message as an event, without an `id` line.
  public static func encode(_ message: RawSpan) -> Frame {
    var buffer = ByteBuffer(capacity: message.byteCount + 32)
    buffer.append(event: message)
    return Frame(copying: buffer.bytes)
  }
}

extension ByteBuffer {
  /// A JSON message as an event of type `message`, without an id.
  public mutating func append(event message: RawSpan) {
    append("event: message\ndata: ")
    append(flattened: message)
    append("\n\n")
  }

  /// How many milliseconds a client shall wait before it connects again, as a line of an event.
  public mutating func append(retry milliseconds: UInt64) {
    append("retry: ")
    append(decimal: milliseconds)
    append("\n")
  }

  /// A JSON message on one line: line ends, which can only stand between its tokens, become spaces.
  public mutating func append(flattened message: RawSpan) {
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
