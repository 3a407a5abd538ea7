import Benchmark
import CWire

/// The codecs that every message goes through. Each benchmark does a thousand rounds at a time, so that the clock's own
/// cost does not show.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .cpuUser, .instructions], scalingFactor: .kilo, maxDuration: .seconds(2),
    maxIterations: 1000)
  httpBenchmarks()
  jsonBenchmarks()
  eventBenchmarks()
  frameBenchmarks()
}

private func span(_ bytes: UnsafeRawBufferPointer) -> cwire_span {
  cwire_span_make(bytes.baseAddress, bytes.count)
}

private func span(_ text: StaticString) -> cwire_span {
  cwire_span_make(text.utf8Start, text.utf8CodeUnitCount)
}

private func httpBenchmarks() {
  Benchmark("HTTP/1.1: parse a request head") { benchmark in
    let head = UnsafeMutablePointer<cwire_http1_head>.allocate(capacity: 1)
    defer { head.deallocate() }
    var limits = cwire_http1_default_limits()
    let input = span(Inputs.requestHead)
    for _ in benchmark.scaledIterations {
      blackHole(cwire_http1_parse_request(head, &limits, input, 0))
    }
  }
  Benchmark("HTTP/1.1: write a response head") { benchmark in
    let room = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 64)
    defer { room.deallocate() }
    let type = span("application/json" as StaticString)
    for _ in benchmark.scaledIterations {
      var writer = cwire_writer_make(room, 512)
      cwire_http1_put_status_line(&writer, 200)
      cwire_http1_put_field(&writer, CWIRE_FIELD_CONTENT_TYPE, type)
      cwire_http1_put_content_length(&writer, 194)
      cwire_http1_put_head_end(&writer)
      blackHole(writer.length)
    }
  }
}

private func jsonBenchmarks() {
  let inputs = [
    ("a call", Inputs.call), ("an answer", Inputs.answer), ("a result of 64 KiB", Inputs.largeAnswer(65_536)),
  ]
  for (name, bytes) in inputs {
    Benchmark("JSON-RPC: scan \(name)") { benchmark in
      let envelope = UnsafeMutablePointer<cwire_jsonrpc_envelope>.allocate(capacity: 1)
      defer { envelope.deallocate() }
      let input = span(bytes)
      for _ in benchmark.scaledIterations {
        blackHole(cwire_jsonrpc_scan(envelope, input, CWIRE_JSON_DEPTH))
      }
    }
  }
}

private func eventBenchmarks() {
  Benchmark("SSE: parse an event") { benchmark in
    var parser = cwire_sse_parser()
    var event = cwire_sse_event()
    cwire_sse_init(&parser)
    for _ in benchmark.scaledIterations {
      var input = span(Inputs.event)
      while cwire_sse_next(&parser, &input, &event) != CWIRE_SSE_MORE { blackHole(event.has_data) }
    }
  }
  Benchmark("SSE: write an event") { benchmark in
    let room = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 64)
    defer { room.deallocate() }
    var fields = cwire_sse_fields(id: span("17" as StaticString), type: cwire_span(), retry: -1)
    let data = span(Inputs.call)
    for _ in benchmark.scaledIterations {
      var writer = cwire_writer_make(room, 512)
      cwire_sse_put_event(&writer, &fields, data)
      blackHole(writer.length)
    }
  }
}

private func frameBenchmarks() {
  let sizes = [("64 bytes", 64), ("16 KiB", 16_384)]
  for (name, size) in sizes {
    Benchmark("WebSocket: unmask \(name)") { benchmark in
      let payload = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
      defer { payload.deallocate() }
      payload.initializeMemory(as: UInt8.self, repeating: 0x61, count: size)
      let mask: [UInt8] = [0x5A, 0xC3, 0x17, 0x9E]
      for _ in benchmark.scaledIterations {
        cwire_ws_mask(payload.assumingMemoryBound(to: UInt8.self), size, mask, 0)
      }
      blackHole(payload.load(as: UInt8.self))
    }
  }
  Benchmark("WebSocket: write a frame's head") { benchmark in
    let room = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(CWIRE_WS_HEAD_MAX))
    defer { room.deallocate() }
    for _ in benchmark.scaledIterations {
      blackHole(cwire_ws_put_head(room, CWIRE_WS_TEXT, true, false, 300, nil))
    }
  }
  Benchmark("WebSocket: read a frame") { benchmark in
    // Unmasked in place, so that each round meets the bytes masked the other way round: not text, so a binary frame.
    var frame: [UInt8] = [0x82, 0x80 | 64, 1, 2, 3, 4] + [UInt8](repeating: 0x61, count: 64)
    var limits = cwire_ws_limits(max_message: 1 << 20, max_frame: 0, deflate: false)
    var event = cwire_ws_event()
    frame.withUnsafeMutableBytes { frame in
      for _ in benchmark.scaledIterations {
        var reader = cwire_ws_reader()
        var input = span(UnsafeRawBufferPointer(frame))
        blackHole(cwire_ws_next(&reader, &limits, CWIRE_WS_CLIENT, &input, &event))
      }
    }
  }
}
