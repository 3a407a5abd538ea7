import CWire

/// What the rewriter makes of a response that arrives in pieces and leaves through a small window.
///
/// `complete`, `waiting` or `refused <reason>`, the kind that was found out, and what was written (not for a refusal,
/// whose output is to be thrown away). Options: `id`, `insert`, `insert-meta`, `remove`, `remove-meta` (names with commas
/// between them), `types` (bits), `flatten`, `depth`, `room` (bytes of output at a time).
enum RewriteTrace {
  static func lines(pieces: [[UInt8]], options: [String: String]) -> [String] {
    var settings = cwire_jsonrpc_rewrite_options()
    settings.id = options["id"].map(span) ?? cwire_span()
    settings.insert_result = options["insert"].map(span) ?? cwire_span()
    settings.insert_meta = options["insert-meta"].map(span) ?? cwire_span()
    settings.remove_result = mask(options["remove"]) { cwire_mcp_result_code($0) }
    settings.remove_meta = mask(options["remove-meta"]) { cwire_mcp_meta_code($0) }
    settings.flatten = options["flatten"] != nil
    settings.result_types = options["types"].flatMap { UInt8($0) } ?? 0
    settings.max_depth = options["depth"].flatMap { UInt32($0) } ?? CWIRE_JSON_DEPTH
    let room = options["room"].flatMap { Int($0) } ?? 7

    let rewrite = UnsafeMutablePointer<cwire_jsonrpc_rewrite>.allocate(capacity: 1)
    defer { rewrite.deallocate() }
    cwire_jsonrpc_rewrite_init(rewrite, &settings)
    var output: [UInt8] = []
    var status = Int32(CWIRE_MORE.rawValue)
    for piece in pieces where status >= 0 {
      status = withExactBytes(piece) { feed(rewrite, $0, room: room, output: &output) }
    }
    let kind = JSONRPCTrace.name(rewrite.pointee.kind)
    guard status >= 0 else {
      return ["refused \(status) (\(String(cString: cwire_jsonrpc_reason_text(rewrite.pointee.reason))))", kind]
    }
    let end = status == Int32(CWIRE_OK.rawValue) ? "complete" : "waiting"
    return [end, kind] + (end == "complete" ? ["output \(FixtureText.escape(output))"] : [])
  }

  private static func feed(
    _ rewrite: UnsafeMutablePointer<cwire_jsonrpc_rewrite>, _ piece: cwire_span, room: Int, output: inout [UInt8]
  ) -> Int32 {
    var rest = piece
    while true {
      let (status, bytes) = withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { buffer in
        var writer = cwire_writer_make(buffer.baseAddress, room)
        let status = cwire_jsonrpc_rewrite_feed(rewrite, &rest, &writer)
        return (status, cwire_writer_written(&writer).array)
      }
      output += bytes
      if status != Int32(CWIRE_MORE.rawValue) || bytes.count < room { return status }
    }
  }

  private static func mask(_ names: String?, _ code: (cwire_span) -> Int32) -> UInt32 {
    (names ?? "").split(separator: ",").reduce(0) { $0 | 1 << UInt32(code(span(String($1)))) }
  }
}
