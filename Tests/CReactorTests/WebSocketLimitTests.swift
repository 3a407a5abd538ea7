import CReactor
import CWire
import Testing

/// The peer breaks a rule with `bytes`; `close` is the frame that answers it.
private struct Break: CustomTestStringConvertible {
  var what: String
  var bytes: [UInt8]
  var code: UInt16
  var testDescription: String { what }

  init(_ what: String, _ code: UInt16, _ bytes: [UInt8]) {
    self.what = what
    self.code = code
    self.bytes = bytes
  }

  init(_ what: String, _ code: UInt16, _ frames: Frame...) {
    self.init(what, code, frames.flatMap { $0.bytes(masked: true) })
  }
}

private let breaks = [
  Break("a frame without a mask", 1002, Frame.text("x").bytes(masked: false)),
  Break("a reserved opcode", 1002, [0x83, 0x80, 0, 0, 0, 0]),
  Break("a reserved bit", 1002, [0xa1, 0x80, 0, 0, 0, 0]),
  Break("a fragmented ping", 1002, Frame(opcode: .ping, payload: [], final: false)),
  Break("a long ping", 1002, Frame(opcode: .ping, payload: [UInt8](repeating: 0, count: 126))),
  Break("a continuation of nothing", 1002, .more("x")),
  Break("a message within another", 1002, .text("a", final: false), .text("b")),
  Break("a length that is not in its shortest form", 1002, [0x81, 0xfe, 0, 1, 0, 0, 0, 0, 1]),
  Break("a close frame of one byte", 1002, Frame(opcode: .close, payload: [3])),
  Break("a close code that must not travel", 1002, .close(1006)),
  Break("a close code of nobody", 1002, .close(2999)),
  Break("a close reason that is no UTF-8", 1007, Frame(opcode: .close, payload: [3, 232, 0xff])),
  Break("compression that was not agreed upon", 1002, Frame(opcode: .text, payload: [0], compressed: true)),
  Break("a text that is no UTF-8", 1007, Frame(opcode: .text, payload: [0x68, 0xc0, 0xaf])),
  Break("a text that ends within a character", 1007, Frame(opcode: .text, payload: [0xe2, 0x82])),
  Break("the first part of a text that can't become UTF-8", 1007, Frame(opcode: .text, payload: [0xff], final: false)),
  Break("a message beyond the limit", 1009, Frame.binary([UInt8](repeating: 0, count: 1001))),
  Break(
    "fragments beyond the limit", 1009, .binary([UInt8](repeating: 0, count: 600), final: false),
    Frame(opcode: .continuation, payload: [UInt8](repeating: 0, count: 401))),
  Break("the head of a frame beyond the limit", 1009, [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]),
]

@Suite("WebSocket server: rules and limits")
struct WebSocketLimitTests {
  private let gateway = MemoryGateway()

  @Test("what breaks a rule is answered by its code, and what follows is thrown away", arguments: breaks)
  fileprivate func rules(broken: Break) throws {
    gateway.acceptWebSockets(WebSocketSettings { $0.max_message = 1000 })
    var messages = 0
    gateway.message = { _, _, _, _ in messages += 1 }
    let peer = try #require(WebSocketPeer(gateway))
    peer.client.send(broken.bytes + Frame.text("more").bytes(masked: true))
    #expect(peer.take() == [.close(broken.code)])
    #expect(peer.client.ended, "the sending side ends at once")
    peer.send(.text("and more"))
    #expect(gateway.open == 1, "what the peer is still sending is read, or it would not see our close frame")
    peer.client.end()
    #expect(gateway.open == 0)
    #expect(messages == 0)
    #expect(gateway.errors == [.webSocket(Int32(broken.code))])
    #expect(gateway.closeCodes == [1006])
    #expect(gateway.buffered == 0)
  }

  @Test("a peer that goes on after a rule was broken is left after the close time-out")
  func goesOn() throws {
    gateway.acceptWebSockets(WebSocketSettings { $0.close_timeout = 300 })
    let peer = try #require(WebSocketPeer(gateway))
    peer.client.send([0xff, 0xff])
    gateway.advance(299)
    peer.send(.text("still here"))
    #expect(gateway.open == 1)
    gateway.advance(1)
    #expect(gateway.open == 0)
  }

  @Test("frames beyond max_frame are taken, and refused where the frame size is strict")
  func strictness() throws {
    var count = 0
    gateway.message = { _, _, _, _ in count += 1 }
    gateway.acceptWebSockets(WebSocketSettings { $0.max_frame = 100 })
    let lenient = try #require(WebSocketPeer(gateway))
    lenient.send(.text(String(repeating: "x", count: 101)))
    #expect(lenient.take() == [])
    #expect(count == 1)
    gateway.acceptWebSockets(WebSocketSettings { ($0.max_frame, $0.strict_frame_size) = (100, true) })
    let strict = try #require(WebSocketPeer(gateway))
    strict.send(.text(String(repeating: "x", count: 100)))
    #expect(count == 2)
    strict.send(.text(String(repeating: "x", count: 101)))
    #expect(strict.take() == [.close(1009)])
    #expect(count == 2)
  }

  @Test("no more is kept of a message than came of it")
  func announced() throws {
    gateway.acceptWebSockets()
    let peer = try #require(WebSocketPeer(gateway))
    let bytes = Frame.binary([UInt8](repeating: 0, count: 4_000_000)).bytes(masked: true)
    peer.client.send(Array(bytes[..<20]))
    #expect(gateway.buffered <= 2048)
    peer.client.send(Array(bytes[20..<100_000]))
    #expect((100_000...400_000).contains(gateway.buffered))
    peer.client.reset()
    #expect(gateway.buffered == 0)
  }

  @Test("a message that must be kept while memory is short is refused with 1013")
  func shortMemory() throws {
    let gateway = MemoryGateway(options: { $0.memory = 50_000 })
    gateway.acceptWebSockets()
    gateway.echo()
    let peer = try #require(WebSocketPeer(gateway))
    peer.send(.text(String(repeating: "x", count: 60_000)))
    #expect(peer.take()?.first?.payload.count == 60_000, "what comes whole is not kept")
    peer.send(.text(String(repeating: "x", count: 60_000), final: false))
    #expect(peer.take() == [.close(1013)])
    #expect(gateway.buffered == 0)
  }

  // MARK: Compression

  @Test("compression is agreed upon when it is offered and on")
  func negotiation() throws {
    gateway.acceptWebSockets()
    let extensions = #/Sec-WebSocket-Extensions: ([^\r]*)\r\n/#
    let peer = try #require(WebSocketPeer(gateway, fields: WebSocketPeer.offer))
    let agreed = try #require(peer.answer.firstMatch(of: extensions)?.output.1)
    #expect(agreed.hasPrefix("permessage-deflate"))
    #expect(agreed.contains("server_no_context_takeover"))
    #expect(agreed.contains("client_no_context_takeover"))
    let eight = try #require(
      WebSocketPeer(gateway, fields: "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n"))
    #expect(eight.answer.firstMatch(of: extensions) == nil)
    let none = try #require(WebSocketPeer(gateway))
    #expect(none.answer.firstMatch(of: extensions) == nil)
    gateway.acceptWebSockets(WebSocketSettings { $0.compression = false })
    let off = try #require(WebSocketPeer(gateway, fields: WebSocketPeer.offer))
    #expect(off.answer.firstMatch(of: extensions) == nil)
  }

  @Test("messages above the threshold are deflated, and deflated ones are read", arguments: [9, 12, 15])
  func bothWays(bits: Int) throws {
    gateway.acceptWebSockets()
    gateway.echo()
    let fields = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\(bits)\r\n"
    let peer = try #require(WebSocketPeer(gateway, fields: fields))
    for length in [0, 1, 1024, 1025, 20_000, 300_000] {
      let text = Array(String(repeating: "hällo wörld, \(length) ", count: length / 10 + 1).utf8.prefix(length))
      let whole = String(validating: text, as: UTF8.self) != nil ? text : Array(text.dropLast())
      peer.send(Frame(opcode: .text, payload: deflated(whole), compressed: true))
      let frames = try #require(peer.take())
      #expect(frames[0].compressed == (whole.count > 1024))
      #expect(frames[0].opcode == .text)
      let bytes = frames.flatMap(\.payload)
      #expect((frames[0].compressed ? inflated(bytes) : bytes) == whole)
      if whole.count > 1024 { #expect(bytes.count < whole.count / 4) }
    }
    #expect(gateway.buffered == 0)
  }

  @Test("a deflated message may come in fragments, with control frames in between")
  func deflatedFragments() throws {
    gateway.acceptWebSockets()
    var seen: [[UInt8]] = []
    gateway.message = { _, _, bytes, _ in seen.append(bytes) }
    let peer = try #require(WebSocketPeer(gateway, fields: WebSocketPeer.offer))
    let text = Array(String(repeating: "fragment ", count: 500).utf8)
    let parts = deflated(text)
    for cut in [1, parts.count / 2, parts.count] {
      peer.send(
        Frame(opcode: .text, payload: Array(parts[..<cut]), final: false, compressed: true), .ping("x"),
        Frame(opcode: .continuation, payload: Array(parts[cut...])))
    }
    #expect(seen == [text, text, text])
    #expect(peer.take() == [.pong("x"), .pong("x"), .pong("x")])
  }

  @Test("what deflate does not make shorter goes as it is")
  func incompressible() throws {
    gateway.acceptWebSockets()
    gateway.echo()
    let peer = try #require(WebSocketPeer(gateway, fields: WebSocketPeer.offer))
    let noise = noise(5000)
    peer.send(.binary(noise))
    #expect(peer.take() == [.binary(noise)])
  }

  @Test("what is inflated is held to the limit and to UTF-8")
  func inflatedRules() throws {
    gateway.acceptWebSockets(WebSocketSettings { $0.max_message = 100_000 })
    var lengths: [Int] = []
    gateway.message = { _, _, bytes, _ in lengths.append(bytes.count) }
    func code(_ bytes: [UInt8], _ opcode: Frame.Opcode = .text) throws -> [Frame]? {
      let peer = try #require(WebSocketPeer(gateway, fields: WebSocketPeer.offer))
      peer.send(Frame(opcode: opcode, payload: bytes, compressed: true))
      return peer.take()
    }
    #expect(try code(deflated([UInt8](repeating: 65, count: 100_000))) == [])
    #expect(try code(deflated([UInt8](repeating: 65, count: 100_001))) == [.close(1009)])
    #expect(try code(deflated([UInt8](repeating: 0, count: 10_000_000))) == [.close(1009)])
    #expect(try code(deflated([0x68, 0xff])) == [.close(1007)])
    #expect(try code(deflated([0x68, 0xff]), .binary) == [])
    #expect(try code([0xff, 0xff, 0xff]) == [.close(1007)], "no deflate at all")
    #expect(lengths == [100_000, 2])
    #expect(gateway.buffered == 0)
  }
}
