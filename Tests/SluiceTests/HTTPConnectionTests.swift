import Configuration
import Testing

@testable import sluice

@Suite struct HTTPConnectionTests {
  /// Status and body that the connection reads from these bytes.
  private func read(_ answer: String) throws -> (status: Int, body: String) {
    let server = ScriptedServer { _ in .bytes(answer) }
    defer { server.stop() }
    var connection = try HTTPConnection(
      to: EndpointURL(scheme: .http, host: "127.0.0.1", port: server.port, target: "/"), timeout: 5)
    try connection.send(method: "GET", target: "/", headers: [], body: nil)
    let head = try connection.readHead()
    return (head.status, String(decoding: try connection.readBody(), as: UTF8.self))
  }

  @Test(
    "bodies are framed by length, by chunks or by the end of the connection",
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", "abc"),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: v\r\n\r\n", "abc"),
      ("HTTP/1.0 200 OK\nX: y\n\nabc", "abc"),
      ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "a"),
      ("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", ""),
    ])
  func framing(answer: String, body: String) throws {
    let found = try read(answer)
    #expect(found.status == 200)
    #expect(found.body == body)
  }

  @Test("no body is expected of 204")
  func noContent() throws {
    #expect(try read("HTTP/1.1 204 No Content\r\n\r\n").body == "")
  }

  @Test(
    "answers that are cut short or no HTTP are faults",
    arguments: [
      "", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    ])
  func faults(answer: String) {
    #expect(throws: HTTPFault.self) { try read(answer) }
  }

  @Test("a server that does not speak TLS where https was asked for is reported as such")
  func encrypted() {
    let server = ScriptedServer { _ in .bytes("HTTP/1.1 400 Bad Request\r\n\r\n\r\n\r\n") }
    defer { server.stop() }
    do throws(HTTPFault) {
      _ = try HTTPConnection(
        to: EndpointURL(scheme: .https, host: "127.0.0.1", port: server.port, target: "/"), timeout: 5)
      Issue.record("it shook hands")
    } catch {
      #expect(error.description.hasPrefix("the TLS handshake"))
    }
  }
}
