import Bridge
import ConfigurationSyntax
import Testing

@Suite struct HTTPProbeTests {
  /// What a server that answers so is found to say.
  private func status(_ answer: ScriptedServer.Answer, _ scheme: EndpointURL.Scheme = .http) throws -> Int {
    let server = ScriptedServer { _ in answer }
    defer { server.stop() }
    let url = EndpointURL(scheme: scheme, host: "127.0.0.1", port: server.port, target: "/healthz")
    return try HTTPProbe.status(of: url, trust: nil, within: 500)
  }

  @Test(
    "the status of the final answer counts, whatever its body",
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200), ("HTTP/1.0 503 No\r\n\r\nabc", 503),
      ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204),
      ("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nab", 200),
    ])
  func statuses(answer: String, expected: Int) throws {
    #expect(try status(.bytes(answer)) == expected)
  }

  @Test(
    "what is no HTTP, or no answer, is told as what it is",
    arguments: [
      (ScriptedServer.Answer.bytes("SSH-2.0-x\r\n"), Loss.Kind.malformed),
      (.bytes("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"), .malformed),
      (.bytes("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), .malformed), (.nothing, .broken), (.silence, .broken),
    ])
  func faults(answer: ScriptedServer.Answer, kind: Loss.Kind) throws {
    let loss = #expect(throws: Loss.self) { try status(answer) }
    #expect(loss?.kind == kind)
  }

  @Test("that nobody listens is no broken connection")
  func absent() throws {
    let server = ScriptedServer { _ in .nothing }
    server.stop()
    let url = EndpointURL(scheme: .http, host: "127.0.0.1", port: server.port, target: "/")
    var loss: Loss?
    for _ in 0..<50 where loss?.kind != .absent {
      loss = #expect(throws: Loss.self) { try HTTPProbe.status(of: url, trust: nil, within: 500) }
    }
    #expect(loss?.kind == .absent)
  }
}
