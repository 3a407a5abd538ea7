import Wire

/// Takes the messages out of the body of an answer, however it is cut.
struct AnswerReader {
  /// Where a stream is, for its resumption.
  struct Cursor: Equatable, Sendable {
    var id: [UInt8]?
    /// Milliseconds that the server wants to have a client wait.
    var retry: UInt64?
  }

  /// No message may be longer: places in it are kept in 32 bits.
  private let largest: Int
  private static let longestRetry: Int64 = 60_000

  let media: AnswerHead.Media
  private(set) var cursor: Cursor
  /// A message was longer than it may be; what follows is not read.
  private(set) var isTooLong = false
  private let parser: SSEParser?
  private var data: [UInt8] = []

  /// - Parameter cursor: where the stream before this one broke off.
  init(_ media: AnswerHead.Media, after cursor: Cursor = Cursor(), largest: Int = 256 << 20) {
    self.media = media
    self.largest = largest
    self.cursor = cursor
    parser = media == .events ? SSEParser() : nil
  }

  /// The messages of a stream that are complete with this piece of it.
  mutating func read(_ piece: RawSpan) -> [[UInt8]] {
    guard let parser, !isTooLong else {
      if media == .json { append(piece) }
      return []
    }
    var messages: [[UInt8]] = []
    var offset = 0
    while !isTooLong {
      switch parser.next(piece, at: &offset) {
      case .more: return messages
      case .comment: break
      case .data(let slice, let newline):
        if newline { data.append(UInt8(ascii: "\n")) }
        append(piece[slice])
      case .end(let end):
        if end.hasID { cursor.id = parser.id.array }
        if let retry = end.retry { cursor.retry = UInt64(min(retry, Self.longestRetry)) }
        if !data.isEmpty, parser.type.byteCount == 0 || parser.type.equals("message") { messages.append(data) }
        data = []
      }
    }
    return messages
  }

  /// What a body that is no stream holds, at its end.
  mutating func finish() -> [UInt8]? {
    defer { data = [] }
    return media == .json && !isTooLong && !data.isEmpty ? data : nil
  }

  private mutating func append(_ piece: RawSpan) {
    guard data.count + piece.byteCount <= largest else {
      isTooLong = true
      data = []
      return
    }
    data += piece.array
  }
}
