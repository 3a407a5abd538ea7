import CReactor
import CWire
import Testing

private let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
private let streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

private func frame(_ string: String) -> OpaquePointer {
  withSpans([string]) { cr_frame_make($0, 1) }
}

@Suite("HTTP server: streams and faults")
struct HTTPStreamTests {
  /// A gateway with one open stream, tagged 7.
  private func streaming(
    faults: cr_fault_plan = cr_fault_plan(), request: String = get, limits: (inout cr_http_limits) -> Void = { _ in }
  ) throws -> (MemoryGateway, MemoryClient, cr_id) {
    let gateway = MemoryGateway(limits: limits)
    gateway.answer = { gateway, id, _ in
      cr_set_tag(gateway.loop, id, 7)
      gateway.beginStream(id)
    }
    let client = try #require(MemoryClient(gateway, faults: faults))
    client.send(request)
    return (gateway, client, gateway.connections[0])
  }

  @Test("a stream is chunked, one chunk a write, and the connection lives on")
  func chunks() throws {
    let (gateway, client, id) = try streaming()
    #expect(client.take() == streamHead)
    gateway.write(id, "data: ", "a", "\n\n")
    gateway.settle()
    #expect(client.take() == "9\r\ndata: a\n\n\r\n")
    let shared = frame("0123456789abcdef")
    cr_http_stream_write_frame(gateway.loop, id, cwire_span(), shared, CR_GATHERED)
    cr_frame_release(shared)
    gateway.settle()
    #expect(client.take() == "10\r\n0123456789abcdef\r\n")
    gateway.write(id, "")
    gateway.settle()
    #expect(client.take() == "", "a chunk of no bytes would be the end")
    #expect(cr_http_stream_end(gateway.loop, id) == CR_WRITE_OK)
    gateway.answer = { gateway, id, _ in gateway.reply(id, body: "next") }
    gateway.settle()
    #expect(client.take() == "0\r\n\r\n")
    client.send(get)
    #expect(client.take().hasSuffix("next"))
    #expect(gateway.events == [])
  }

  @Test("what goes to many is written at once, after what the turn has gathered so far")
  func atOnce() throws {
    let (gateway, client, id) = try streaming()
    #expect(client.take() == streamHead)
    let shared = frame("shared\n\n")
    defer { cr_frame_release(shared) }
    let line: StaticString = "id: 1-2\n"
    let before = cwire_span(base: line.utf8Start, length: line.utf8CodeUnitCount)
    gateway.write(id, "gathered")
    cr_http_stream_write_frame(gateway.loop, id, before, shared, CR_AT_ONCE)
    #expect(cr_queued(gateway.loop, id) == 0, "nothing is left for the end of the turn")
    cr_http_stream_write_frame(gateway.loop, id, before, shared, CR_GATHERED)
    #expect(cr_queued(gateway.loop, id) > 0)
    gateway.settle()
    #expect(client.take() == "8\r\ngathered\r\n10\r\nid: 1-2\nshared\n\n\r\n10\r\nid: 1-2\nshared\n\n\r\n")
    #expect(gateway.events == [])
  }

  @Test("toward HTTP/1.0 a stream is plain bytes until the end of the connection")
  func oldVersion() throws {
    let (gateway, client, id) = try streaming(request: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    gateway.write(id, "abc")
    cr_http_stream_end(gateway.loop, id)
    gateway.settle()
    #expect(client.take() == "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nabc")
    #expect(client.ended)
  }

  @Test("a stream in answer to HEAD is its head alone")
  func head() throws {
    let (gateway, client, id) = try streaming(request: "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    gateway.write(id, "abc")
    cr_http_stream_end(gateway.loop, id)
    gateway.settle()
    #expect(client.take() == streamHead)
    #expect(!client.ended)
  }

  @Test("a heartbeat is sent when nothing was written for its interval, and only then")
  func heartbeat() throws {
    let (gateway, client, id) = try streaming()
    _ = client.take()
    let beat = frame(":\n\n")
    cr_http_stream_heartbeat(gateway.loop, id, 1000, beat)
    cr_frame_release(beat)
    gateway.advance(999)
    #expect(client.take() == "")
    gateway.advance(1)
    #expect(client.take() == "3\r\n:\n\n\r\n")
    gateway.advance(600)
    gateway.write(id, "x")
    gateway.advance(600)
    #expect(client.take() == "1\r\nx\r\n")
    gateway.advance(400)
    #expect(client.take() == "3\r\n:\n\n\r\n")
    cr_http_stream_heartbeat(gateway.loop, id, 0, nil)
    gateway.advance(10_000)
    #expect(client.take() == "")
  }

  @Test("a stream outlives all timeouts")
  func noTimeouts() throws {
    let (gateway, client, _) = try streaming { limits in
      limits.idle_timeout = 10
      limits.head_timeout = 10
      limits.body_timeout = 10
    }
    gateway.advance(1_000_000)
    #expect(!client.ended)
  }

  @Test(
    "bytes survive a transport that takes a few at a time and is often not ready", arguments: [1, 3, 1000] as [UInt32])
  func shortWrites(size: UInt32) throws {
    for gathering in [CR_GATHERED, CR_AT_ONCE] { try shortWrites(size: size, gathering) }
  }

  private func shortWrites(size: UInt32, _ gathering: cr_gathering) throws {
    let gateway = MemoryGateway()
    let body = String(repeating: "0123456789", count: 2000)
    let shared = frame(body)
    defer { cr_frame_release(shared) }
    gateway.answer = { gateway, id, request in
      if request.method == "POST" {
        gateway.reply(id, body: body, request.body)
      } else {
        gateway.beginStream(id)
        cr_http_stream_write_frame(gateway.loop, id, cwire_span(), shared, gathering)
        gateway.write(id, body)
        cr_http_stream_end(gateway.loop, id)
      }
    }
    let faults = cr_fault_plan(max_write: size, again_every: 2, reset_after: 0)
    let client = try #require(MemoryClient(gateway, faults: faults))
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nend" + get + get)
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20003\r\n\r\n\(body)end"
    let stream = "\(streamHead)4e20\r\n\(body)\r\n4e20\r\n\(body)\r\n0\r\n\r\n"
    #expect(client.take() == answer + stream + stream)
  }

  @Test("a write above the high mark says full, and drained follows below the low mark")
  func marks() throws {
    let (gateway, client, id) = try streaming(faults: cr_fault_plan(max_write: 4096, again_every: 0, reset_after: 0))
    let piece = String(repeating: "x", count: 8192)
    var taken = 0
    while gateway.write(id, piece) == CR_WRITE_OK { taken += 1 }
    #expect((7...10).contains(taken), "64 KiB are queued, then it is full")
    #expect(gateway.events == [])
    gateway.settle()
    #expect(gateway.events == ["drained 7"])
    #expect(gateway.write(id, "end") == CR_WRITE_OK)
    gateway.settle()
    #expect(client.take().utf8.count == streamHead.utf8.count + (taken + 1) * (8192 + 8) + 8)
    #expect(gateway.events == ["drained 7"])
  }

  @Test(
    "wherever the connection is reset, its policy hears of it once and nothing stays",
    arguments: [1, 50, 90, 105, 5000])
  func resetAfter(bytes: UInt64) throws {
    let (gateway, client, id) = try streaming(faults: cr_fault_plan(max_write: 0, again_every: 3, reset_after: bytes))
    for _ in 0..<10 {
      gateway.write(id, String(repeating: "x", count: 1000))
      gateway.settle()
    }
    #expect(gateway.events == ["closed 7"])
    #expect(gateway.errors.map(\.domain) == [UInt16(CR_DOMAIN_UV.rawValue)])
    #expect(gateway.write(id, "x") == CR_WRITE_STALE)
    #expect(gateway.open == 0)
    _ = client.take()
  }

  @Test("a client that resets an open stream is told to policy")
  func peerReset() throws {
    let (gateway, client, _) = try streaming()
    client.reset()
    #expect(gateway.events == ["closed 7"])
    #expect(gateway.open == 0)
  }

  @Test("a client that ends its side of an open stream can still be written to")
  func halfClose() throws {
    let (gateway, client, id) = try streaming()
    client.end()
    #expect(gateway.events == ["peer ended 7"])
    gateway.write(id, "still here")
    cr_http_stream_end(gateway.loop, id)
    gateway.settle()
    #expect(client.take() == streamHead + "a\r\nstill here\r\n0\r\n\r\n")
    #expect(client.ended)
    #expect(gateway.events == ["peer ended 7"])
    #expect(gateway.open == 0)
  }

  @Test("closing sends what is queued, aborting does not, and neither is told or looks like the end of the answer")
  func closeAndAbort() throws {
    let slow = cr_fault_plan(max_write: 100, again_every: 0, reset_after: 0)
    let piece = String(repeating: "x", count: 4096)
    for abort in [false, true] {
      let (gateway, client, id) = try streaming(faults: slow)
      gateway.write(id, piece)
      if abort { cr_abort(gateway.loop, id) } else { cr_close(gateway.loop, id) }
      #expect(gateway.write(id, "more") == CR_WRITE_STALE)
      gateway.settle()
      client.end()
      let output = client.take()
      #expect(output.hasSuffix("x\r\n") != abort)
      #expect(!output.hasSuffix("0\r\n\r\n"))
      #expect(client.ended)
      #expect(gateway.events == [])
      #expect(gateway.open == 0)
    }
  }

  @Test("destroying a loop with open streams and queued bytes calls nobody and leaks nothing")
  func destroy() throws {
    var (gateway, client, id): (MemoryGateway?, MemoryClient?, cr_id) = try streaming(
      faults: cr_fault_plan(max_write: 10, again_every: 0, reset_after: 0))
    gateway?.write(id, String(repeating: "x", count: 10_000))
    cr_loop_step(gateway!.loop)
    let events = gateway?.events
    gateway = nil
    client = nil
    #expect(events == [])
    #expect(client == nil && gateway == nil)
  }
}
