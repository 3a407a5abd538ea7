import CReactor
import CReactorPeers
import Testing

private let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
private let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"

@Suite("A TLS listener", .timeLimit(.minutes(10)))
struct TLSServerTests {
  let certificates = Peer.Certificates()

  func gateway(
    _ names: [String] = ["localhost"], clientCA: String? = nil, authentication: cr_tls_client_auth = CR_TLS_CLIENT_OFF,
    limits: (inout cr_http_limits) -> Void = { _ in }
  ) -> MemoryGateway {
    let gateway = MemoryGateway(limits: limits)
    let (context, message) = serverContext(
      certificates, names, clientCA: clientCA, authentication: authentication)
    #expect(message == "")
    cr_listener_set_tls(gateway.listener, context)
    cr_tls_context_free(context)  // the listener holds it
    return gateway
  }

  func client(
    _ gateway: MemoryGateway, faults: cr_fault_plan = cr_fault_plan(),
    _ change: (inout SecureClient.Options) -> Void = { _ in }
  ) -> SecureClient {
    var options = SecureClient.Options()
    change(&options)
    let client = SecureClient(gateway, certificates, options, faults: faults)!
    client.exchange()
    return client
  }

  @Test("answers over TLS 1.2 and 1.3, and says goodbye at the end", arguments: [12, 13])
  func exchanges(version: Int) {
    let gateway = gateway()
    let client = client(gateway) {
      $0.versions = version...version
      $0.alpn = "http/1.1"
    }
    #expect(client.handshake == 1)
    for _ in 0..<3 {
      client.send(request)
      #expect(client.take() == answer)
    }
    #expect(!client.saidGoodbye)
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    #expect(client.take().hasSuffix("Connection: close\r\n\r\nok"))
    #expect(client.saidGoodbye)
    client.end()
    #expect(gateway.open == 0)
    #expect(client.isClosed)
  }

  @Test("says what was agreed on, and nothing of a plain connection")
  func information() {
    let gateway = gateway()
    let client = client(gateway) { $0.versions = 13...13 }
    client.send(request)
    var info = cr_tls_info()
    #expect(cr_connection_tls(gateway.loop, gateway.connections[0], &info))
    #expect(String(cString: info.version) == "TLSv1.3")
    #expect(String(cString: info.cipher) == "TLS_AES_128_GCM_SHA256")
    cr_listener_set_tls(gateway.listener, nil)
    let plain = MemoryClient(gateway)!
    plain.send(request)
    #expect(plain.take() == answer)
    #expect(!cr_connection_tls(gateway.loop, gateway.connections[1], &info))
  }

  @Test(
    "refuses old versions, weak ciphers and protocols that it does not speak",
    arguments: [
      (10...11, nil, nil, "tlsv1 alert protocol version"),
      (12...12, "AES128-SHA", nil, "ssl/tls alert handshake failure"),
      (12...12, "AES256-GCM-SHA384", nil, "ssl/tls alert handshake failure"),
      (12...12, "ECDHE-ECDSA-AES128-SHA256", nil, "ssl/tls alert handshake failure"),
      (0...0, nil, "h2", "tlsv1 alert no application protocol"),
    ])
  func refused(versions: ClosedRange<Int>, ciphers: String?, alpn: String?, reason: String) {
    let gateway = gateway()
    let client = client(gateway) {
      $0.versions = versions
      $0.ciphers = ciphers
      $0.alpn = alpn
    }
    #expect(client.handshake == -1)
    #expect(client.error == reason || "ssl/tls " + client.error.dropFirst("sslv3 ".count) == reason)
    #expect(client.isClosed)
    #expect(gateway.open == 0)
  }

  @Test(
    "shows the certificate of the name that is asked for, else the first",
    arguments: [
      (nil, "localhost"), ("localhost", "localhost"), ("OTHER.example", "other.example"),
      ("a.wild.example", "wildcard"), ("a.b.wild.example", "localhost"), ("wild.example", "localhost"),
      (".wild.example", "localhost"), ("unknown.example", "localhost"),
    ])
  func chooses(name: String?, certificate: String) {
    let client = client(gateway(["localhost", "elsewhere", "wildcard"])) { $0.name = name }
    #expect(client.server == certificate)
    client.send(request)
    #expect(client.take() == answer)
  }

  @Test("takes bytes one by one, and answers through any short write", arguments: [0, 1, 7, 1000], [0, 2, 3])
  func faults(most: UInt32, again: UInt32) {
    let gateway = gateway()
    let plan = cr_fault_plan(max_write: most, again_every: again, reset_after: 0)
    let body = String((0..<40_000).map { _ in "abcdefghij".randomElement()! })
    gateway.answer = { gateway, id, seen in gateway.reply(id, body: seen.body, "tail", seen.body) }
    let client = client(gateway, faults: plan) { $0.slice = most == 1 ? 16 : 4096 }
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body)
    #expect(client.take().hasSuffix(body + "tail" + body))
    client.send(request)
    #expect(client.take().hasSuffix("hellotailhello"))
  }

  @Test("a handshake that trickles in is a handshake all the same")
  func bytewise() {
    let client = client(gateway()) { $0.slice = 1 }
    #expect(client.handshake == 1)
    client.send(request)
    #expect(client.take() == answer)
  }

  @Test("a reset after any number of bytes ends the connection and nothing else")
  func resets() {
    let gateway = gateway()
    for bytes in stride(from: UInt64(1), to: 2400, by: 53) {
      let client = client(gateway, faults: cr_fault_plan(max_write: 0, again_every: 3, reset_after: bytes))
      client.send(request)
      client.send(request)
      client.endRaw()
      #expect(gateway.open == 0)
    }
  }

  @Test("a handshake takes at most as long as a head, however busy it looks")
  func timeout() {
    let gateway = gateway { $0.head_timeout = 10_000 }
    let silent = client(gateway) { $0.slice = 0 }
    #expect(silent.handshake == 1)
    let idle = client(gateway)
    idle.send(request)
    #expect(idle.take() == answer)
    let mute = SecureClient(gateway, certificates)!
    let slow = SecureClient(gateway, certificates)!
    let flight = slow.flight()
    for second in 0..<9 {
      slow.sendRaw([flight[second]])
      gateway.advance(1000)
    }
    #expect(!slow.isClosed && !mute.isClosed)
    slow.sendRaw([flight[9]])
    gateway.advance(1001)
    #expect(slow.isClosed && mute.isClosed)
    #expect(gateway.open == 1)  // the one that was answered may idle; the one that only shook hands may not
  }

  @Test("tells plain HTTP what it met, and ends other talk without a word")
  func plain() {
    let gateway = gateway()
    let http = MemoryClient(gateway)!
    http.send(request)
    #expect(http.take().hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
    #expect(http.ended)
    for first in [UInt8(0), 21, 23, 128, 255] {
      let client = SecureClient(gateway, certificates)!
      client.sendRaw([first, 3, 1, 0, 1, 0])
      gateway.settle()
      #expect(client.takeRaw() == [])
      #expect(client.isClosed)
    }
    #expect(gateway.open == 0)
    #expect(gateway.requests.isEmpty)
  }

  @Test("noise in place of any byte of a handshake ends it or leaves it waiting")
  func noise() {
    let gateway = gateway { $0.head_timeout = 1000 }
    var random = SplitMix(state: 4711)
    for _ in 0..<300 {
      let client = SecureClient(gateway, certificates)!
      var flight = client.flight()
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        flight[Int.random(in: 0..<flight.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      client.sendRaw(flight)
      gateway.settle()
      client.sendRaw((0..<200).map { _ in UInt8.random(in: 0...255, using: &random) })
      gateway.settle()
    }
    gateway.advance(1001)
    #expect(gateway.open == 0)
    #expect(gateway.requests.isEmpty)
    let client = client(gateway)
    client.send(request)
    #expect(client.take() == answer)
  }

  @Test("an end that nobody signed ends the connection at once")
  func unsigned() {
    let gateway = gateway()
    gateway.answer = { gateway, id, _ in _ = cr_set_tag(gateway.loop, id, 7) }
    let client = client(gateway)
    client.send(request)
    client.endRaw()
    #expect(gateway.events == ["closed 7"])
    #expect(gateway.open == 0)
  }

  // MARK: Client certificates

  @Test(
    "knows clients by their certificates",
    arguments: [
      (CR_TLS_CLIENT_OFF, nil, true, ""), (CR_TLS_CLIENT_OFF, "client", true, ""),
      (CR_TLS_CLIENT_OPTIONAL, nil, true, ""), (CR_TLS_CLIENT_OPTIONAL, "client", true, "CN=client"),
      (CR_TLS_CLIENT_OPTIONAL, "intruder", false, ""), (CR_TLS_CLIENT_REQUIRED, nil, false, ""),
      (CR_TLS_CLIENT_REQUIRED, "client", true, "CN=client"), (CR_TLS_CLIENT_REQUIRED, "intruder", false, ""),
    ], [12, 13])
  func clients(_ policy: (cr_tls_client_auth, String?, Bool, String), version: Int) {
    let (authentication, certificate, welcome, subject) = policy
    let gateway = gateway(["localhost", "elsewhere"], clientCA: "ca.pem", authentication: authentication)
    for name in ["localhost", "other.example"] {
      let client = client(gateway) {
        $0.name = name
        $0.certificate = certificate
        $0.versions = version...version
      }
      client.send(request)
      #expect((client.take() == answer) == welcome)
      #expect(gateway.open == (welcome ? 1 : 0))
      if welcome { #expect(Self.subject(gateway, gateway.connections.last!) == subject) }
      client.end()
    }
  }

  static func subject(_ gateway: MemoryGateway, _ id: cr_id) -> String {
    var text = [CChar](repeating: 1, count: 200)
    let length = Int(cr_connection_subject(gateway.loop, id, &text, Int32(text.count)))
    #expect(text[length] == 0)
    // Half a name is nobody's.
    var half = [CChar](repeating: 1, count: 200)
    #expect(Int(cr_connection_subject(gateway.loop, id, &half, Int32(length))) == length)
    #expect(half.first == (length > 0 ? 0 : 1))
    return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: Resumption and renewal

  private func resumed(_ gateway: MemoryGateway, _ first: SecureClient, version: Int, certificate: String? = nil)
    -> Bool
  {
    let again = client(gateway) {
      $0.resumes = first
      $0.versions = version...version
      $0.certificate = certificate
    }
    again.send(request)
    #expect(again.take() == answer)
    return again.isResumed
  }

  @Test("resumes with the tickets of the last hours, also for who has a certificate", arguments: [12, 13])
  func resumption(version: Int) {
    let gateway = MemoryGateway()
    let context = serverContext(
      certificates, clientCA: "ca.pem", authentication: CR_TLS_CLIENT_REQUIRED
    ).context
    defer { cr_tls_context_free(context) }
    cr_listener_set_tls(gateway.listener, context)
    let first = client(gateway) {
      $0.versions = version...version
      $0.certificate = "client"
    }
    first.send(request)
    #expect(!first.isResumed)
    for isGood in [true, true, true, false] {
      #expect(resumed(gateway, first, version: version, certificate: "client") == isGood)
      #expect(Self.subject(gateway, gateway.connections.last!) == "CN=client")
      cr_tls_server_rotate(context)
    }
  }

  @Test("renewal changes what new connections see; open ones go on, and tickets stay good", arguments: [12, 13])
  func renewal(version: Int) {
    let gateway = MemoryGateway()
    let old = serverContext(certificates, ["localhost"]).context
    cr_listener_set_tls(gateway.listener, old)
    let first = client(gateway) { $0.versions = version...version }
    first.send(request)
    let new = serverContext(certificates, ["elsewhere"], renewing: old).context
    cr_tls_context_free(old)
    cr_listener_set_tls(gateway.listener, new)
    cr_tls_context_free(new)
    #expect(client(gateway).server == "other.example")
    #expect(resumed(gateway, first, version: version))
    #expect(first.take() == answer)
    first.send(request)
    #expect(first.take() == answer)
    #expect(first.server == "localhost")
  }

  @Test("who was let in under other rules is not let in by a ticket", arguments: [12, 13])
  func otherRules(version: Int) {
    let gateway = MemoryGateway()
    let open = serverContext(certificates, clientCA: "ca.pem", authentication: CR_TLS_CLIENT_OPTIONAL).context
    cr_listener_set_tls(gateway.listener, open)
    let first = client(gateway) { $0.versions = version...version }
    first.send(request)
    let strict = serverContext(
      certificates, clientCA: "ca.pem", authentication: CR_TLS_CLIENT_REQUIRED, renewing: open
    ).context
    cr_tls_context_free(open)
    cr_listener_set_tls(gateway.listener, strict)
    cr_tls_context_free(strict)
    let again = client(gateway) {
      $0.resumes = first
      $0.versions = version...version
    }
    again.send(request)
    #expect(again.take() == "")
    #expect(!resumed(gateway, first, version: version, certificate: "client"))
  }

  @Test(
    "can't be made of files that are not what they should be",
    arguments: [
      (["none"], nil, nil, "cannot read a certificate from", "No such file or directory"),
      (["localhost"], ["none.key"], nil, "cannot read a private key from", "none.key"),
      (["localhost"], ["client.key"], nil, "does not belong to the certificate", "localhost.pem"),
      (["localhost", "elsewhere"], ["localhost.key", "ca.key"], nil, "does not belong", "elsewhere.pem"),
      (["localhost"], nil, "none.pem", "cannot read the roots of client certificates from", "No such file"),
      (["localhost"], nil, "ca.key", "cannot read the roots of client certificates from", "none in PEM form"),
      ([], nil, nil, "a server needs", "a certificate"),
    ])
  func badFiles(names: [String], keys: [String]?, clientCA: String?, what: String, reason: String) {
    let (context, message) = serverContext(
      certificates, names, keys: keys, clientCA: clientCA,
      authentication: clientCA == nil ? CR_TLS_CLIENT_OFF : CR_TLS_CLIENT_OPTIONAL)
    #expect(context == nil)
    #expect(message.contains(what))
    #expect(message.contains(reason))
  }
}

/// Random numbers that repeat.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }
}
