import Testing

@testable import Clusters

@Suite("Why an HTTP answer brings no message")
struct HTTPRefusalTests {
  private func text(
    _ status: Int, type: String? = nil, challenge: String? = nil, location: String? = nil, credentials: Bool = false
  ) -> String {
    var refusal = HTTPRefusal(
      status: status, mediaType: type.map { Array($0.utf8) }, challenge: challenge.map { Array($0.utf8) },
      location: location.map { Array($0.utf8) })
    refusal.hasCredentials = credentials
    return refusal.text
  }

  @Test("an answer of another kind is told with its type, or that it has none")
  func types() {
    #expect(text(200, type: "text/html; charset=utf-8").contains("text/html; charset=utf-8"))
    #expect(text(200, type: "text/html").contains("a page to log in at"))
    #expect(text(200, type: "text/plain").contains("text/plain") && !text(200, type: "text/plain").contains("log in"))
    #expect(text(200) == "it answered HTTP 200 without a Content-Type, where JSON or an event stream is due")
    #expect(text(200, type: "application/json") == "it answered HTTP 200 without a message")
    #expect(text(404, type: "text/html") == "it answered HTTP 404")
  }

  @Test("credentials that are missing or not taken are told apart, with what the server asks for")
  func credentials() {
    let asked = text(401, challenge: "Bearer resource_metadata=\"https://u.example/m\"")
    #expect(asked.contains("none are configured") && asked.contains("https://u.example/m"))
    let refused = text(403, credentials: true)
    #expect(refused == "it does not accept the gateway's credentials (HTTP 403)")
  }

  @Test("a redirect is told with its target")
  func redirects() {
    #expect(text(307, location: "https://login.example/").contains("https://login.example/"))
    #expect(text(302).contains("without saying where"))
  }

  @Test("what the server says is shown on one line, and not without end")
  func bounds() {
    #expect(!text(401, challenge: "Bearer a\r\nb\u{1B}[2J").utf8.contains { $0 < 0x20 })
    #expect(text(401, challenge: String(repeating: "x", count: 5000)).utf8.count < 500)
  }
}
