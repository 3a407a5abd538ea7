import Testing
import Wire

@Suite struct SSETests {
  struct Event: Equatable {
    var data: String?
    var type = ""
    var id = ""
    var hasID = false
    var retry: Int64?
  }

  /// Feeds a stream in pieces and puts the events together as a reader would.
  static func read(_ stream: [UInt8], cutAt cuts: [Int]) -> [Event] {
    let parser = SSEParser()
    var events: [Event] = []
    var data = ByteBuffer()
    var from = 0
    for cut in cuts + [stream.count] {
      let piece = stream.rawBytes.extracting(from..<cut)
      from = cut
      var offset = 0
      reading: while true {
        switch parser.next(piece, at: &offset) {
        case .more: break reading
        case .comment: continue
        case .data(let place, let newline):
          if newline { data.append(byte: 0x0A) }
          data.append(piece[place])
        case .end(let end):
          events.append(
            Event(
              data: end.hasData ? data.bytes.text : nil, type: parser.type.text, id: parser.id.text,
              hasID: end.hasID, retry: end.retry))
          let isEmpty = data.isEmpty
          check(end.isEmpty == (end.hasData && isEmpty))
          data.clear()
        }
      }
      check(offset == piece.byteCount)
    }
    return events
  }

  static let stream = Array(
    "\u{FEFF}: hi\r\nid: 1\r\ndata:\r\n\r\nevent: message\ndata: {\"é\":1}\ndata: b\n\nretry: 50\nid: x\rdata: last\r\r"
      .utf8
  )
  static let events = [
    Event(data: "", id: "1", hasID: true), Event(data: "{\"é\":1}\nb", type: "message", id: "1"),
    Event(data: "last", id: "x", hasID: true, retry: 50),
  ]

  @Test("events come out the same however the stream is cut")
  func cuts() {
    check(Self.read(Self.stream, cutAt: []) == Self.events)
    for cut in 0...Self.stream.count { check(Self.read(Self.stream, cutAt: [cut]) == Self.events, "\(cut)") }
    check(Self.read(Self.stream, cutAt: Array(0..<Self.stream.count)) == Self.events)
  }

  @Test("a parser that is reset has forgotten the id")
  func reset() {
    let parser = SSEParser()
    let stream = Array("id: 1\ndata: a\n\n".utf8)
    var offset = 0
    while parser.next(stream.rawBytes, at: &offset) != .more {}
    check(parser.id.text == "1")
    parser.reset()
    let second = Array("data: b\n\n".utf8)
    offset = 0
    while parser.next(second.rawBytes, at: &offset) != .more {}
    check(parser.id.text == "")
  }

  @Test("what is written reads back")
  func roundTrip() {
    var buffer = ByteBuffer()
    let id = Array("w-7".utf8)
    buffer.append(comment: "ping")
    check(buffer.append(event: Array("a\nb".utf8).rawBytes, id: id.rawBytes, type: ("message" as StaticString).bytes))
    check(buffer.append(event: RawSpan(), id: id.rawBytes))
    check(buffer.append(eventWithoutData: id.rawBytes, retry: 20))
    check(buffer.append(eventOpen: id.rawBytes, type: ("message" as StaticString).bytes))
    buffer.append("open")
    buffer.appendEventClose()
    let events = Self.read(buffer.bytes.array, cutAt: [])
    check(
      events == [
        Event(data: "a\nb", type: "message", id: "w-7", hasID: true), Event(data: "", id: "w-7", hasID: true),
        Event(data: nil, id: "w-7", hasID: true, retry: 20),
        Event(data: "open", type: "message", id: "w-7", hasID: true),
      ])
  }

  @Test("an id that would break the stream is refused and leaves nothing behind")
  func badID() {
    var buffer = ByteBuffer()
    let isTaken = buffer.append(event: ("x" as StaticString).bytes, id: Array("a\nb".utf8).rawBytes)
    check(!isTaken)
    check(buffer.isEmpty)
  }
}
