import CReactor
import CReactorPeers
import Testing

/// What OpenSSL says by itself while bytes are on their way below: new keys, refusals and goodbyes.
@Suite("TLS, while a write is under way", .timeLimit(.minutes(10)))
struct TLSWriteTests {
  let certificates = Peer.Certificates()

  func gateway(_ answer: String) -> MemoryGateway {
    let gateway = MemoryGateway()
    let (context, message) = serverContext(certificates)
    #expect(message == "")
    cr_listener_set_tls(gateway.listener, context)
    cr_tls_context_free(context)
    gateway.answer = { gateway, id, seen in gateway.reply(id, body: answer, close: seen.target == "/last") }
    return gateway
  }

  func client(_ gateway: MemoryGateway, version: Int = 13) -> SecureClient {
    var options = SecureClient.Options()
    options.versions = version...version
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
    let client = SecureClient(gateway, certificates, options)!
    client.exchange()
    #expect(client.handshake == 1)
    return client
  }

  /// What somebody else sends, and nobody but the gateway may learn: a head that is kept until it is whole.
  static let secret = "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + String(repeating: "canary ", count: 240)

  /// Others' connections, each of which has the gateway keep what it sent.
  func bystanders(_ gateway: MemoryGateway) -> [MemoryClient] {
    cr_listener_set_tls(gateway.listener, nil)
    return (0..<4).map { _ in
      let other = MemoryClient(gateway)!
      other.send(Self.secret)
      return other
    }
  }

  /// Lengths with which a record ends close before the end of a buffer of the pool.
  static let lengths = Array(stride(from: 1_830, through: 1_930, by: 10))

  @Test("new keys leave the bytes on their way what they are", arguments: lengths)
  func keys(length: Int) {
    let answer = String(repeating: "a", count: length)
    let gateway = gateway(answer)
    let client = client(gateway)
    client.stall()
    client.seal("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.carry()
    for _ in 0..<4 { #expect(client.updateKeys()) }
    client.carry()
    let others = bystanders(gateway)
    client.stall(false)
    gateway.settle()
    let sent = client.takeRaw()
    #expect(!String(decoding: sent, as: UTF8.self).contains("canary"))
    client.receive(sent)
    #expect(client.take().hasSuffix("\r\n\r\n" + answer))
    client.send("GET /last HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(client.take().hasSuffix("\r\n\r\n" + answer))
    #expect(client.saidGoodbye)
    #expect(client.error == "")
    #expect(others.count == 4)
  }

  @Test("so do refusals of another handshake", arguments: lengths)
  func refusals(length: Int) {
    let answer = String(repeating: "a", count: length)
    let gateway = gateway(answer)
    let client = client(gateway, version: 12)
    client.stall()
    client.seal("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.carry()
    for _ in 0..<4 { #expect(client.askForHandshake()) }
    client.carry()
    let others = bystanders(gateway)
    client.stall(false)
    gateway.settle()
    let sent = client.takeRaw()
    #expect(!String(decoding: sent, as: UTF8.self).contains("canary"))
    client.receive(sent)
    #expect(client.take().hasSuffix("\r\n\r\n" + answer))
    #expect(client.error == "no renegotiation")
    #expect(others.count == 4)
  }

  @Test("a goodbye comes behind them and is not lost", arguments: lengths, [12, 13])
  func goodbye(length: Int, version: Int) {
    let answer = String(repeating: "a", count: length)
    let gateway = gateway(answer)
    let client = client(gateway, version: version)
    client.stall()
    client.seal("GET /last HTTP/1.1\r\nHost: h\r\n\r\n")
    client.carry()
    let others = bystanders(gateway)
    client.stall(false)
    gateway.settle()
    let sent = client.takeRaw()
    #expect(!String(decoding: sent, as: UTF8.self).contains("canary"))
    client.receive(sent)
    #expect(client.take().hasSuffix("\r\n\r\n" + answer))
    #expect(client.saidGoodbye)
    #expect(client.error == "")
    #expect(others.count == 4)
  }

  @Test("a request right behind new keys is answered", arguments: [10, 300_000])
  func behind(length: Int) {
    let answer = String(repeating: "a", count: length)
    let gateway = gateway(answer)
    let client = client(gateway)
    for _ in 0..<3 {
      #expect(client.updateKeys())
      client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(client.take().hasSuffix("\r\n\r\n" + answer))
    }
  }

  // MARK: Bounds

  /// What the pools have lent for peers, and what was written for this one and not taken.
  func buffered(_ gateway: MemoryGateway) -> Int { Int(cr_loop_count(gateway.loop).buffered) }

  @Test("who changes keys all the time is sent away, and takes little until then", arguments: [true, false])
  func restless(reads: Bool) {
    let gateway = gateway("ok")
    let client = client(gateway)
    client.seal("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.carry()
    gateway.answer = { gateway, id, _ in _ = cr_set_tag(gateway.loop, id, 7) }
    client.seal("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.carry()
    client.stall(!reads)
    var rounds = 0
    while gateway.open > 0, rounds < 4200 {
      #expect(client.updateKeys())
      client.carry()
      rounds += 1
      #expect(buffered(gateway) < 64 * 1024)
    }
    #expect(rounds == 33)
    #expect(gateway.errors == [.reason(CR_REASON_RESTLESS)])
    #expect(cr_loop_count(gateway.loop).restless == 1)
    if reads {
      client.receive(client.takeRaw())
      #expect(client.saidGoodbye)
    }
  }

  @Test("so is one that asks for handshakes all the time")
  func asking() {
    let gateway = gateway("ok")
    let client = client(gateway, version: 12)
    client.stall()
    var rounds = 0
    while gateway.open > 0, rounds < 4200 {
      #expect(client.askForHandshake())
      client.carry()
      rounds += 1
      #expect(buffered(gateway) < 64 * 1024)
    }
    #expect(rounds == 33)
  }

  @Test("all at once they are no more than one by one")
  func flood() {
    for version in [12, 13] {
      let gateway = gateway("ok")
      let client = client(gateway, version: version)
      client.stall()
      for _ in 0..<2000 { #expect(version == 12 ? client.askForHandshake() : client.updateKeys()) }
      let before = buffered(gateway)
      client.sendRaw(client.flight())
      while cr_loop_step(gateway.loop) { #expect(buffered(gateway) - before < 128 * 1024) }
      #expect(gateway.open == 0)
    }
  }

  @Test("who sends data may change keys as often as an honest peer does, also if its answers wait")
  func honest() {
    let gateway = gateway("ok")
    let client = client(gateway)
    let body = String(repeating: "b", count: 128 * 1024)
    for _ in 0..<100 {
      #expect(client.updateKeys())
      client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body)
      #expect(client.take().hasSuffix("ok"))
    }
    #expect(gateway.open == 1)
  }

  @Test("what OpenSSL wants to say to a peer that does not read stops its reading")
  func chokes() {
    let gateway = gateway("ok")
    let client = client(gateway)
    client.stall()
    let body = String(repeating: "b", count: 140_000)
    for _ in 0..<200 {
      _ = client.updateKeys()
      client.seal("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body)
      client.carry()
    }
    #expect(buffered(gateway) < 512 * 1024)
    #expect(gateway.requests.count < 180)
    client.stall(false)
    gateway.settle()
    client.exchange()
    #expect(gateway.requests.count == 200)
    #expect(client.take().components(separatedBy: "\r\n\r\nok").count == 201)
  }
}
