import CWire

/// What the envelope scan says of a message.
///
/// The kind, or `refused <code> <reason> at <offset>`; then `id <kind> <token>`, `method <raw> = <name>`, and the members
/// that were recognised. What a part of the message shows must not contradict the whole: the first piece is peeked at.
enum JSONRPCTrace {
  static func lines(pieces: [[UInt8]], options: [String: String]) -> [String] {
    let depth = options["depth"].flatMap { UInt32($0) } ?? CWIRE_JSON_DEPTH
    return withExactBytes(Array(pieces.joined())) { message in
      var envelope = cwire_jsonrpc_envelope()
      let status = cwire_jsonrpc_scan(&envelope, message, depth)
      let head =
        status == CWIRE_JSONRPC_OK
        ? name(envelope.kind)
        : "refused \(status.rawValue) \(reason(envelope)) at \(envelope.fault)"
      return [head] + describe(&envelope) + contradictions(pieces[0], envelope, status, depth: depth)
    }
  }

  static func name(_ kind: cwire_jsonrpc_kind) -> String {
    switch kind {
    case CWIRE_JSONRPC_REQUEST: "request"
    case CWIRE_JSONRPC_NOTIFICATION: "notification"
    case CWIRE_JSONRPC_RESULT: "result"
    case CWIRE_JSONRPC_ERROR: "error"
    case CWIRE_JSONRPC_BATCH: "batch"
    default: "invalid"
    }
  }

  private static func reason(_ envelope: cwire_jsonrpc_envelope) -> String {
    "(\(String(cString: cwire_jsonrpc_reason_text(envelope.reason))))"
  }

  private static func name(_ kind: cwire_jsonrpc_id_kind) -> String {
    switch kind {
    case CWIRE_JSONRPC_ID_STRING: "string"
    case CWIRE_JSONRPC_ID_INTEGER: "integer"
    case CWIRE_JSONRPC_ID_NULL: "null"
    case CWIRE_JSONRPC_ID_OTHER: "other"
    default: "absent"
    }
  }

  private static func describe(_ envelope: UnsafeMutablePointer<cwire_jsonrpc_envelope>) -> [String] {
    var lines: [String] = []
    if envelope.pointee.id.base != nil {
      lines.append("id \(name(envelope.pointee.id_kind)) \(envelope.pointee.id.escaped)")
    }
    if envelope.pointee.method.base != nil {
      let known = string(cwire_mcp_method_name(envelope.pointee.method_code))
      lines.append("method \(envelope.pointee.method.escaped) = \(known.isEmpty ? "other" : known)")
    }
    for (name, value, inside) in [
      ("params", envelope.pointee.params, envelope.pointee.params_inside),
      ("result", envelope.pointee.result, envelope.pointee.result_inside),
      ("error", envelope.pointee.error, envelope.pointee.error_inside),
    ] where value.base != nil {
      let isObject = cwire_json_kind_of(value) == CWIRE_JSON_OBJECT
      let expected = isObject ? value.array.dropFirst().dropLast() : []
      if Array(expected) != inside.array || isObject != (inside.base != nil) {
        lines.append("the inside of \(name) is \(inside.escaped)")
      }
    }
    for code in 0..<CWIRE_MCP_PARAM_COUNT.rawValue {
      let code = cwire_mcp_param(rawValue: code)
      add("params", cwire_mcp_param_name(code), cwire_jsonrpc_param(envelope, code), to: &lines)
    }
    for code in 0..<CWIRE_MCP_RESULT_COUNT.rawValue {
      let code = cwire_mcp_result(rawValue: code)
      add("result", cwire_mcp_result_name(code), cwire_jsonrpc_result(envelope, code), to: &lines)
    }
    for code in 0..<CWIRE_MCP_META_COUNT.rawValue {
      let code = cwire_mcp_meta(rawValue: code)
      add("meta", cwire_mcp_meta_name(code), cwire_jsonrpc_meta(envelope, code), to: &lines)
    }
    for (code, name) in [
      (CWIRE_MCP_ERROR_CODE, "code"), (CWIRE_MCP_ERROR_MESSAGE, "message"), (CWIRE_MCP_ERROR_DATA, "data"),
    ] {
      add("error", span(name), cwire_jsonrpc_error(envelope, code), to: &lines)
    }
    return lines
  }

  private static func add(
    _ level: String, _ name: cwire_span, _ member: cwire_json_member, to lines: inout [String]
  ) {
    guard member.value.base != nil else { return }
    lines.append("\(level).\(string(name)) \(member.value.escaped)\(member.key_escaped ? " (escaped key)" : "")")
  }

  private static func contradictions(
    _ part: [UInt8], _ whole: cwire_jsonrpc_envelope, _ status: cwire_jsonrpc_status, depth: UInt32
  ) -> [String] {
    guard status == CWIRE_JSONRPC_OK else { return [] }
    return withExactBytes(part) { bytes in
      var envelope = cwire_jsonrpc_envelope()
      let kind = cwire_jsonrpc_peek(&envelope, bytes, depth)
      let mayBecome = kind == CWIRE_JSONRPC_NOTIFICATION && whole.kind == CWIRE_JSONRPC_REQUEST
      guard kind == whole.kind || kind == CWIRE_JSONRPC_INVALID || mayBecome else {
        return ["a part is taken for a \(name(kind))"]
      }
      guard envelope.id.base == nil || envelope.id.array == whole.id.array else {
        return ["a part shows the id \(envelope.id.escaped)"]
      }
      guard envelope.method.base == nil || envelope.method.array == whole.method.array else {
        return ["a part shows the method \(envelope.method.escaped)"]
      }
      return []
    }
  }
}
