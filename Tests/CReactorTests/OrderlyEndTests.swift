import CReactor
import CReactorPeers
import Testing

/// What was given to a peer reaches it whole, also one that reads a KiB in 100 ms.
@Suite("Ends in order, for slow readers", .timeLimit(.minutes(10)))
struct OrderlyEndTests {
  enum Wire: String, CaseIterable { case plain, tls12, tls13 }

  enum End: String, CaseIterable {
    /// The answer says that it is the last.
    case last
    /// The gateway drains, with and without a time of grace.
    case drain, drainWithGrace
    /// The client ends its sending side: signed, over TLS; and without a signature.
    case halfClose, unsigned
    /// Nothing: the connection might carry another request.
    case idle
  }

  /// A client over any wire, which takes nothing but by `sip`.
  final class Reader {
    let gateway: MemoryGateway
    let plain: MemoryClient?
    let secure: SecureClient?

    init(_ wire: Wire, _ gateway: MemoryGateway, _ certificates: Peer.Certificates) {
      self.gateway = gateway
      if wire == .plain {
        plain = MemoryClient(gateway)
        secure = nil
        return
      }
      let (context, _) = serverContext(certificates)
      cr_listener_set_tls(gateway.listener, context)
      cr_tls_context_free(context)
      var options = SecureClient.Options()
      options.versions = wire == .tls12 ? 12...12 : 13...13
      plain = nil
      secure = SecureClient(gateway, certificates, options)!
      secure!.exchange()
    }

    func stall() {
      plain?.stall()
      secure?.stall()
    }

    func send(_ bytes: [UInt8]) {
      plain?.send(bytes)
      secure?.seal(bytes)
      secure?.carry()
    }

    func end(signed: Bool) {
      if signed {
        secure?.part()
        secure?.carry()
      }
      plain?.end()
      secure?.endRaw()
    }

    /// 100 ms pass, and a KiB is taken.
    func sip() {
      plain?.sip()
      secure?.sip()
      gateway.advance(100)
    }

    /// All that came; with a goodbye, where one belongs.
    func take() -> [UInt8] {
      if let plain { return plain.takeBytes() }
      secure!.receive(secure!.takeRaw())
      return secure!.takeBytes()
    }

    var wasToldGoodbye: Bool { plain?.ended ?? secure!.saidGoodbye }
  }

  let certificates = Peer.Certificates()

  /// Sips until the connection is gone. Once a second the gateway looks for peers that take too little.
  func finish(_ reader: Reader, most: Int = 2000) -> Int {
    var rounds = 0
    while reader.gateway.open > 0, rounds < most {
      reader.sip()
      rounds += 1
      if rounds % 10 == 0 { cr_close_stalled(reader.gateway.loop, 3_000, 1_000) }
    }
    return rounds
  }

  @Test("an answer that was given arrives whole", arguments: Wire.allCases, End.allCases)
  func answers(wire: Wire, end: End) {
    // As many pieces as travel in one write, which takes longer than a connection may idle.
    let pieces = (0..<16).map { index in String(repeating: Character(UnicodeScalar(UInt8(97 + index))), count: 11_000) }
    let gateway = MemoryGateway(limits: {
      $0.idle_timeout = 4_000
      $0.head_timeout = 4_000
    })
    gateway.answer = { gateway, id, _ in
      gateway.beginStream(id)
      for piece in pieces { gateway.write(id, piece) }
      cr_http_stream_end(gateway.loop, id)
    }
    let reader = Reader(wire, gateway, certificates)
    reader.stall()
    reader.send(Array("GET / HTTP/1.1\r\nHost: h\r\n\(end == .last ? "Connection: close\r\n" : "")\r\n".utf8))
    switch end {
    case .last, .idle: break
    case .drain: cr_http_drain(gateway.loop, 0)
    case .drainWithGrace: cr_http_drain(gateway.loop, 500)
    case .halfClose, .unsigned: reader.end(signed: end == .halfClose)
    }
    #expect(finish(reader) > 80)
    #expect(gateway.open == 0)
    let answer = String(decoding: reader.take(), as: UTF8.self)
    for piece in pieces { #expect(answer.contains(piece + "\r\n")) }
    #expect(answer.hasSuffix("\r\n0\r\n\r\n"))
    #expect(end == .idle || reader.wasToldGoodbye)
  }

  @Test("so do messages before a WebSocket's close, whoever asks for it", arguments: Wire.allCases, [true, false])
  func messages(wire: Wire, isOurs: Bool) {
    let gateway = MemoryGateway()
    gateway.acceptWebSockets()
    let reader = Reader(wire, gateway, certificates)
    reader.send(Array(WebSocketPeer.handshake().utf8))
    _ = reader.take()
    reader.stall()
    let messages = (0..<20).map { [UInt8](repeating: UInt8(65 + $0), count: 6_000) }
    for message in messages { _ = gateway.sendMessage(gateway.connections[0], message) }
    if isOurs {
      gateway.close(gateway.connections[0], 1001)
    } else {
      reader.send(Frame.close(1000).bytes(masked: true))
    }
    #expect(finish(reader) > 50)
    #expect(gateway.open == 0)
    var bytes = reader.take()
    let frames = Frame.take(from: &bytes, masked: false)
    #expect(bytes == [])
    #expect(frames == messages.map { Frame(opcode: .text, payload: $0) } + [Frame.close(isOurs ? 1001 : 1000)])
    #expect(isOurs || reader.wasToldGoodbye)
  }

  @Test("a peer that takes nothing does not get in the way of an end for ever", arguments: Wire.allCases, End.allCases)
  func stalled(wire: Wire, end: End) {
    let gateway = MemoryGateway()
    gateway.answer = { gateway, id, _ in gateway.reply(id, body: String(repeating: "x", count: 30_000)) }
    let reader = Reader(wire, gateway, certificates)
    reader.stall()
    reader.send(Array("GET / HTTP/1.1\r\nHost: h\r\n\(end == .last ? "Connection: close\r\n" : "")\r\n".utf8))
    switch end {
    case .last, .idle: break
    case .drain: cr_http_drain(gateway.loop, 0)
    case .drainWithGrace: cr_http_drain(gateway.loop, 500)
    case .halfClose, .unsigned: reader.end(signed: end == .halfClose)
    }
    for _ in 0..<9 {
      gateway.advance(1000)
      cr_close_stalled(gateway.loop, 10_000, 1)
    }
    #expect(gateway.open == 1)
    for _ in 0..<12 {
      gateway.advance(1000)
      cr_close_stalled(gateway.loop, 10_000, 1)
    }
    #expect(gateway.open == 0)
    #expect(gateway.buffered == 0)
  }

  // MARK: Pauses

  @Test("an end that comes while policy pauses is told after it", arguments: Wire.allCases)
  func paused(wire: Wire) {
    let gateway = MemoryGateway()
    gateway.acceptWebSockets()
    var got: [Int] = []
    gateway.message = { gateway, id, bytes, _ in
      got.append(bytes.count)
      cr_read_pause(gateway.loop, id)
    }
    let reader = Reader(wire, gateway, certificates)
    reader.send(Array(WebSocketPeer.handshake().utf8))
    reader.sendAndEnd(Frame.text("hello").bytes(masked: true))
    gateway.advance(1000)
    #expect(got == [5])
    #expect(gateway.events == [])
    cr_read_resume(gateway.loop, gateway.connections[0])
    gateway.settle()
    #expect(gateway.events == ["closed 7"])
    #expect(gateway.open == 0)
  }

  @Test("also if what came before it is told in two turns", arguments: Wire.allCases)
  func pausedTwice(wire: Wire) {
    let gateway = MemoryGateway()
    gateway.acceptWebSockets()
    var got: [Int] = []
    gateway.message = { gateway, id, bytes, _ in
      got.append(bytes.count)
      cr_read_pause(gateway.loop, id)
    }
    let reader = Reader(wire, gateway, certificates)
    reader.send(Array(WebSocketPeer.handshake().utf8))
    reader.sendAndEnd((Frame.text("hello").bytes(masked: true) + Frame.text("you").bytes(masked: true)))
    gateway.settle()
    for expected in [[5], [5, 3]] {
      #expect(got == expected)
      #expect(gateway.events == [])
      cr_read_resume(gateway.loop, gateway.connections[0])
      gateway.settle()
    }
    #expect(gateway.events == ["closed 7"])
  }
}

extension OrderlyEndTests.Reader {
  /// Bytes and the end behind them, in one piece.
  func sendAndEnd(_ bytes: [UInt8]) {
    plain?.sendWithoutSettling(bytes)
    plain?.end()
    secure?.seal(bytes)
    secure?.part()
    secure?.sendRaw(secure!.flight())
    secure?.endRaw()
  }
}
