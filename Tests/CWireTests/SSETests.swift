import CWire
import Testing

@Suite("Server-sent events")
struct SSETests {
  @Test("every fixture gives its trace, however the input is cut", arguments: FixturePage.pages(in: "sse"))
  func fixtures(page: FixturePage) throws {
    try page.check(["sse": { pieces, options in SSETrace.lines(pieces: pieces, options: options) }])
  }

  @Test("there are pages of fixtures")
  func pagesExist() {
    #expect(FixturePage.pages(in: "sse").count >= 2)
  }

  private func event(
    id: String? = nil, type: String? = nil, retry: Int64 = -1, data: String?
  ) -> String? {
    var fields = cwire_sse_fields(id: id.map(span) ?? cwire_span(), type: type.map(span) ?? cwire_span(), retry: retry)
    let data = data.map(span) ?? cwire_span()
    let bytes = written { cwire_sse_put_event($0, &fields, data) }
    if let bytes { #expect(cwire_sse_event_length(&fields, data) == bytes.count) }
    return bytes.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("an event is written with the fields it has")
  func events() {
    #expect(event(data: "{}") == "data: {}\n\n")
    #expect(
      event(id: "s-1", type: "message", retry: 0, data: "{}")
        == "event: message\nid: s-1\nretry: 0\ndata: {}\n\n")
    #expect(event(id: "s-1", data: "") == "id: s-1\ndata: \n\n")
    #expect(event(retry: 15000, data: nil) == "retry: 15000\n\n")
    #expect(event(id: "", data: nil) == "id: \n\n")
  }

  @Test("line ends in data begin further data lines")
  func lines() {
    #expect(event(data: "a\nb\r\nc\rd") == "data: a\ndata: b\ndata: c\ndata: d\n\n")
    #expect(event(data: "\n") == "data: \ndata: \n\n")
    #expect(event(data: "a\n") == "data: a\ndata: \n\n")
  }

  @Test("an id or type that would break its line is refused", arguments: ["a\nb", "a\rb", "a\0b"])
  func injection(text: String) {
    #expect(event(id: text, data: "x") == nil)
    #expect(event(type: text, data: "x") == nil)
    #expect(written { cwire_sse_put_comment($0, span(text)) } == nil)
  }

  @Test("a streamed event is the same as one written whole")
  func streamed() {
    var fields = cwire_sse_fields(id: span("7"), type: cwire_span(), retry: -1)
    let streamed = written {
      cwire_sse_put_open($0, &fields)
      cwire_writer_put_text($0, "{\"a\":")
      cwire_writer_put_text($0, "1}")
      cwire_sse_put_close($0)
    }
    #expect(streamed.map { String(decoding: $0, as: UTF8.self) } == event(id: "7", data: "{\"a\":1}"))
  }

  @Test("a comment is no event")
  func comment() {
    let bytes = written { cwire_sse_put_comment($0, span("ping")) }
    #expect(bytes == Array(": ping\n\n".utf8))
    #expect(SSETrace.lines(pieces: [bytes ?? []], options: [:]) == ["comment"])
  }

  @Test("a parser takes at most 640 bytes")
  func size() {
    #expect(MemoryLayout<cwire_sse_parser>.size <= 640)
  }
}
