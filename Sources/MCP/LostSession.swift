/// Whether a refusal says that the server does not know the session that it was asked in. Servers must answer 404
/// (MCP 2025-11-25, Basic/Transports, Session Management), but many say it with another status or in a JSON-RPC error. What was refused that way was not
/// carried out.
public enum LostSession {
  /// - Parameters:
  ///   - status: of the HTTP answer.
  ///   - code: of the JSON-RPC error in its body; nil without one.
  ///   - text: the message of that error, or else the body.
  public static func isTold(status: Int, code: Int64?, text: String) -> Bool {
    switch status {
    case 404:
      return true
    case 200, 401, 403:
      // An error of the tool's own, or about credentials, may speak of sessions too: it has to be just the phrase.
      guard status != 200 || code != nil, isOfTransport(code) else { return false }
      return isJustThat(normal(text))
    case 400, 405..<500:
      guard isOfTransport(code) else { return false }
      let text = normal(text)
      return phrases.contains { text.contains($0) } || speaksOfBadID(text)
    default:
      return false
    }
  }

  /// Codes that SDKs use for what is wrong with a session rather than with a call.
  private static func isOfTransport(_ code: Int64?) -> Bool {
    guard let code else { return true }
    return code == -32600 || (-32003 ... -32000).contains(code)
  }

  private static let phrases = [
    "session not found", "session expired", "session has expired", "session is expired", "session terminated",
    "session has been terminated", "session closed", "session does not exist", "session doesn't exist",
    "session no longer", "session is no longer", "session lost", "session not initialized", "session unknown",
    "session is unknown", "session is not valid", "session invalid", "session is invalid", "session required",
    "session is required", "unknown session", "invalid session", "no such session", "no valid session",
    "no active session", "no session", "missing session", "expired session", "invalid or missing session",
    "missing or invalid session", "invalid or expired session", "server not initialized", "no transport found",
  ]

  private static let faults = [
    "required", "missing", "invalid", "not valid", "not found", "unknown", "expired", "not exist", "doesn't exist",
    "no longer", "not recognized", "not recognised",
  ]

  private static func speaksOfBadID(_ text: String) -> Bool {
    guard ["mcp-session-id", "session id", "sessionid", "session_id"].contains(where: text.contains) else {
      return false
    }
    return faults.contains { text.contains($0) }
  }

  /// Whether the text says nothing else, but for how it begins and which id it was.
  private static func isJustThat(_ text: String) -> Bool {
    var text = text[...]
    for start in ["error: ", "bad request: ", "not found: ", "unauthorized: ", "forbidden: "]
    where text.hasPrefix(start) {
      text = text.dropFirst(start.count)
    }
    guard text.utf8.count <= 120 else { return false }
    if ["mcp-session-id", "session id", "invalid session id", "missing session id"].contains(where: text.hasPrefix) {
      return faults.contains { text.contains($0) }
    }
    return phrases.contains { text.hasPrefix($0) }
  }

  /// In small letters and without quotes, no more than what an error message may come to.
  private static func normal(_ text: String) -> String {
    String(text.prefix(512).lowercased().filter { $0 != "\"" && $0 != "`" })
  }
}
