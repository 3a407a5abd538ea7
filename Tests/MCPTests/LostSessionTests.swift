import MCP
import Testing

/// What servers say when they have forgotten a session (MCP 2025-11-25, Basic/Transports, Session Management).
@Suite struct LostSessionTests {
  @Test(
    "texts of servers that do not know the session",
    arguments: [
      "Bad Request: No valid session ID provided", "Session not found", "Mcp-Session-Id header is required",
      "Bad Request: Mcp-Session-Id header is required", "Not Found: Session has been terminated", "Invalid session ID",
      "Bad Request: Missing session ID", "Bad Request: Server not initialized", "Invalid or missing session ID",
      "session expired", "Unknown session", "Session ID 7f3a not found", "No valid session ID", "Session terminated",
    ])
  func told(_ text: String) {
    for (status, code) in [
      (400, -32000), (400, -32001), (400, -32600), (400, nil), (404, nil), (410, nil), (422, -32000),
    ]
      as [(Int, Int64?)]
    {
      #expect(LostSession.isTold(status: status, code: code, text: text), "\(status) \(String(describing: code))")
    }
    #expect(LostSession.isTold(status: 200, code: -32000, text: text))
    #expect(LostSession.isTold(status: 401, code: nil, text: text))
    // With these it may have been carried out, or the call itself was wrong.
    #expect(!LostSession.isTold(status: 500, code: -32000, text: text))
    #expect(!LostSession.isTold(status: 200, code: nil, text: text))
    #expect(!LostSession.isTold(status: 200, code: -32603, text: text))
    #expect(!LostSession.isTold(status: 400, code: -32602, text: text))
  }

  @Test("a text in a page, or with its id in quotes, counts too")
  func wrapped() {
    #expect(LostSession.isTold(status: 400, code: nil, text: #"{"detail": "session_id 'x' does not exist"}"#))
    #expect(LostSession.isTold(status: 400, code: nil, text: "<h1>Error</h1><p>No transport found for sessionId</p>"))
  }

  @Test(
    "other errors, even of sessions, are no lost session",
    arguments: [
      "Invalid params", "Bad Request: Unsupported protocol version", "The shopping session was saved", "not found",
      "Parse error", "", "sessions are limited to 5", "Session storage is full",
    ])
  func other(_ text: String) {
    for status in [200, 400, 401, 403, 409, 500] {
      #expect(!LostSession.isTold(status: status, code: -32000, text: text))
      #expect(!LostSession.isTold(status: status, code: nil, text: text))
    }
  }

  @Test("with 200 or 401 the phrase has to stand alone: a tool may have sessions of its own")
  func ownSessions() {
    for text in ["Could not run the query: session not found in the database", "Login failed: invalid session cookie"] {
      #expect(!LostSession.isTold(status: 200, code: -32000, text: text))
      #expect(!LostSession.isTold(status: 401, code: nil, text: text))
    }
  }

  @Test("404 in a session always means it")
  func notFound() {
    #expect(LostSession.isTold(status: 404, code: nil, text: ""))
    #expect(LostSession.isTold(status: 404, code: -32601, text: "whatever"))
  }
}
