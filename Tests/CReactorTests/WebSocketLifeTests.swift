import CReactor
import CWire
import Testing

@Suite("WebSocket server: silence, slowness and ends")
struct WebSocketLifeTests {
  private let gateway = MemoryGateway()

  /// A peer of a gateway with the default settings: pings after 30 s, 10 s to answer, 5 s to close.
  private func connect(_ change: (inout cr_websocket_settings) -> Void = { _ in }) throws -> (WebSocketPeer, cr_id) {
    gateway.acceptWebSockets(WebSocketSettings(change))
    let peer = try #require(WebSocketPeer(gateway))
    return (peer, gateway.connections.last!)
  }

  // MARK: Silence

  @Test("a silent peer is pinged, and left when it does not answer")
  func deadPeer() throws {
    let (peer, _) = try connect()
    gateway.advance(29_999)
    #expect(peer.take() == [])
    gateway.advance(1)
    #expect(peer.take() == [.ping()])
    gateway.advance(9_999)
    #expect(gateway.open == 1)
    gateway.advance(1)
    #expect(gateway.open == 0)
    #expect(gateway.errors == [.reason(CR_REASON_TIMED_OUT)])
    #expect(gateway.closeCodes == [1006])
  }

  @Test("a pong keeps it open, even one that comes within the same millisecond")
  func pong() throws {
    let (peer, _) = try connect()
    for _ in 0..<5 {
      gateway.advance(30_000)
      #expect(peer.take() == [.ping()])
      peer.send(.pong())
    }
    #expect(gateway.open == 1)
  }

  @Test("any byte is a sign of life, and pings come only after a silence")
  func activity() throws {
    let (peer, _) = try connect()
    gateway.advance(20_000)
    peer.send(.text("x"))
    gateway.advance(29_999)
    #expect(peer.take() == [])
    gateway.advance(1)
    #expect(peer.take() == [.ping()])
    gateway.advance(9_000)
    peer.client.send([0x81])  // the first byte of a message
    gateway.advance(25_000)
    #expect(gateway.open == 1)
    #expect(peer.take() == [])
  }

  @Test("without an interval nobody is pinged, and without a time-out nobody is left")
  func neverPinged() throws {
    let (silent, _) = try connect { $0.ping_interval = 0 }
    let (patient, _) = try connect { $0.pong_timeout = 0 }
    for _ in 0..<10 { gateway.advance(60_000) }
    #expect(silent.take() == [])
    #expect(try #require(patient.take()).count >= 5)
    #expect(gateway.open == 2)
  }

  @Test("a peer that policy does not read from is not held to be dead")
  func pausedIsNotDead() throws {
    let (peer, id) = try connect()
    gateway.advance(30_000)
    #expect(peer.take() == [.ping()])
    cr_read_pause(gateway.loop, id)
    peer.send(.pong(), .text("x"))
    for _ in 0..<5 { gateway.advance(30_000) }
    #expect(gateway.open == 1)
    var messages = 0
    gateway.message = { _, _, _, _ in messages += 1 }
    cr_read_resume(gateway.loop, id)
    gateway.settle()
    #expect(messages == 1)
    #expect(gateway.open == 1)
  }

  // MARK: Backpressure

  @Test("no message is told while policy pauses, not even one that had come with the last")
  func pausing() throws {
    let (peer, id) = try connect()
    var seen: [String] = []
    gateway.message = { gateway, id, bytes, _ in
      seen.append(String(decoding: bytes, as: UTF8.self))
      cr_read_pause(gateway.loop, id)
    }
    peer.send(.text("a"), .text("b"), .ping("p"), .text("c"))
    #expect(seen == ["a"])
    for expected in [["a", "b"], ["a", "b", "c"]] {
      cr_read_resume(gateway.loop, id)
      #expect(seen.count == expected.count - 1, "policy is not called back from within its own call")
      gateway.settle()
      #expect(seen == expected)
    }
    #expect(peer.take() == [.pong("p")])
    peer.client.end()
    #expect(gateway.open == 1, "the end comes after what lies before it")
    cr_read_resume(gateway.loop, id)
    gateway.settle()
    #expect(gateway.open == 0)
  }

  @Test("a peer that sends and does not read is not read from beyond the mark, and pings are no way around")
  func slowReader() throws {
    gateway.acceptWebSockets()
    var messages = 0
    gateway.message = { gateway, id, bytes, binary in
      messages += 1
      _ = gateway.sendMessage(id, bytes, binary: binary)
    }
    // The transport takes one byte in a turn, so that the answers pile up.
    let peer = try #require(
      WebSocketPeer(gateway, faults: cr_fault_plan(max_write: 1, again_every: 0, reset_after: 0)))
    let id = try #require(gateway.connections.last)
    let message = Frame.binary([UInt8](repeating: 7, count: 10_000))
    let ping = Frame.ping(String(repeating: "p", count: 125))
    for _ in 0..<20 { peer.client.sendWithoutSettling(message.bytes(masked: true)) }
    for _ in 0..<2000 { peer.client.sendWithoutSettling(ping.bytes(masked: true)) }
    var most = 0
    for _ in 0..<100 {
      cr_loop_step(gateway.loop)
      most = max(most, cr_queued(gateway.loop, id))
    }
    #expect((7..<10).contains(messages))
    while cr_loop_step(gateway.loop) { most = max(most, cr_queued(gateway.loop, id)) }
    #expect(most < 65_536 + 10_010)
    #expect(messages == 20)
    let frames = try #require(peer.take())
    #expect(frames == [Frame](repeating: message, count: 20) + [Frame](repeating: .pong(ping.text), count: 2000))
    #expect(gateway.buffered == 0)
  }

  @Test("an end that comes while messages wait for a slow reader is told after them and their answers")
  func slowReaderThenEnd() throws {
    gateway.acceptWebSockets()
    var messages = 0
    gateway.message = { gateway, id, bytes, binary in
      messages += 1
      _ = gateway.sendMessage(id, bytes, binary: binary)
    }
    let peer = try #require(WebSocketPeer(gateway))
    peer.client.stall()
    let message = Frame.binary([UInt8](repeating: 7, count: 60_000))
    peer.send(message, message, message)
    #expect(messages == 2)
    // The queue is below its high mark again, and not yet below the low one.
    peer.client.accept(61_000)
    peer.client.end()
    peer.client.accept(1_000_000)
    #expect(messages == 3)
    #expect(peer.take() == [message, message, message])
    #expect(gateway.events == ["drained 7", "closed 7"])
    #expect(gateway.open == 0)
  }

  @Test("policy is told when the queue is full, and when it has drained")
  func fullAndDrained() throws {
    gateway.acceptWebSockets()
    let peer = try #require(
      WebSocketPeer(gateway, faults: cr_fault_plan(max_write: 1000, again_every: 0, reset_after: 0)))
    let id = try #require(gateway.connections.last)
    #expect(gateway.sendMessage(id, [UInt8](repeating: 1, count: 10_000)) == CR_WRITE_OK)
    #expect(gateway.sendMessage(id, [UInt8](repeating: 2, count: 100_000)) == CR_WRITE_FULL)
    #expect(gateway.events == [])
    gateway.settle()
    #expect(gateway.events == ["drained 7"])
    #expect(peer.take()?.flatMap(\.payload).count == 110_000)
  }

  @Test("a peer that stopped reading is closed as stalled")
  func stalled() throws {
    gateway.acceptWebSockets()
    let peer = try #require(WebSocketPeer(gateway))
    let id = try #require(gateway.connections.last)
    gateway.advance(1)
    peer.client.stall()
    _ = gateway.sendMessage(id, [1, 2, 3])
    cr_close_stalled(gateway.loop, 60_000, 1)
    gateway.advance(59_999)
    cr_close_stalled(gateway.loop, 60_000, 1)
    gateway.settle()
    #expect(gateway.open == 1)
    gateway.advance(1)
    cr_close_stalled(gateway.loop, 60_000, 1)
    gateway.settle()
    #expect(gateway.open == 0)
    #expect(gateway.errors == [.reason(CR_REASON_TIMED_OUT)])
  }

  // MARK: Ends

  @Test("the peer's close frame is answered with its code, and TCP ends", arguments: [nil, 1000, 1001, 3000, 4999])
  func closedByPeer(code: UInt16?) throws {
    let (peer, id) = try connect()
    peer.send(.text("x"), .close(code, code == nil ? "" : "because"), .text("no more"))
    #expect(peer.take() == [.close(code)])
    #expect(peer.client.ended)
    #expect(gateway.errors == [.reason(CR_REASON_PEER_CLOSED)])
    #expect(gateway.closeCodes == [UInt32(code ?? 1005)])
    #expect(gateway.sendMessage(id, [1]) == CR_WRITE_STALE)
    #expect(cr_websocket_close_code(gateway.loop, id) == 0)
  }

  @Test("the end of the stream without a close frame is told as 1006")
  func endOfStream() throws {
    let (peer, _) = try connect()
    peer.send(.text("unfinished", final: false))
    peer.client.end()
    #expect(gateway.open == 0)
    #expect(gateway.errors == [.reason(CR_REASON_PEER_CLOSED)])
    #expect(gateway.closeCodes == [1006])
    #expect(gateway.buffered == 0)
  }

  @Test("policy closes: the peer's answer is awaited, what else it says is dropped, and nothing is told")
  func closedByPolicy() throws {
    let (peer, id) = try connect()
    var messages = 0
    gateway.message = { _, _, _, _ in messages += 1 }
    peer.send(.text("be", final: false))
    gateway.close(id, 1008, "not like this")
    gateway.settle()
    #expect(gateway.buffered == 0)
    #expect(gateway.sendMessage(id, [1]) == CR_WRITE_STALE)
    gateway.close(id, 1000)
    peer.send(.more("gun", final: true), .text("x"), .ping("p"))
    #expect(peer.take() == [.close(1008, "not like this")])
    #expect(!peer.client.ended)
    peer.send(.close(1008))
    #expect(peer.client.ended)
    #expect(peer.take() == [])
    #expect(gateway.open == 0)
    #expect(messages == 0)
    #expect(gateway.events == [])
  }

  @Test("a peer that does not answer a close frame is left after the time-out")
  func closeTimeout() throws {
    let (peer, id) = try connect()
    gateway.close(id, 1001)
    gateway.settle()
    gateway.advance(4_999)
    peer.send(.text("x"))
    #expect(gateway.open == 1)
    gateway.advance(1)
    #expect(gateway.open == 0)
    #expect(gateway.events == [])
  }

  enum Closing: CaseIterable { case policy, peer, violation }

  /// A peer that has not read a message yet when the closing handshake begins.
  private func beginClosing(_ cause: Closing) throws -> (WebSocketPeer, message: Frame) {
    let (peer, id) = try connect()
    let message = Frame.binary([UInt8](repeating: 7, count: 30_000))
    gateway.advance(1)
    peer.client.stall()
    _ = gateway.sendMessage(id, message.payload, binary: true)
    switch cause {
    case .policy: gateway.close(id, 1001)
    case .peer: peer.send(.close(1001))
    case .violation: peer.send(.more("of nothing", final: true))
    }
    gateway.settle()
    return (peer, message)
  }

  @Test("the time to answer a close frame begins when nothing waits any more", arguments: Closing.allCases)
  func closingSlowReader(cause: Closing) throws {
    let (peer, message) = try beginClosing(cause)
    for _ in 0..<29 {
      gateway.advance(1_000)
      cr_close_stalled(gateway.loop, 30_000, 1)
    }
    #expect(gateway.open == 1)
    peer.client.accept(1_000_000)
    #expect(peer.take() == [message, .close(cause == .violation ? 1002 : 1001)])
    if cause != .peer {
      gateway.advance(4_999)
      #expect(gateway.open == 1)
      gateway.advance(1)
    }
    #expect(gateway.open == 0)
    #expect(gateway.buffered == 0)
  }

  @Test("a closing peer that takes some of it and pauses has its time from the last byte on")
  func closingLastByte() throws {
    let (peer, _) = try beginClosing(.policy)
    gateway.advance(4_000)
    peer.client.accept(20_000)
    for _ in 0..<60 { gateway.advance(1_000) }
    #expect(gateway.open == 1)
    peer.client.accept(1_000_000)
    gateway.advance(4_999)
    #expect(gateway.open == 1)
    gateway.advance(1)
    #expect(gateway.open == 0)
  }

  @Test("a closing peer that never reads is closed as stalled", arguments: Closing.allCases)
  func closingStalled(cause: Closing) throws {
    _ = try beginClosing(cause)
    cr_close_stalled(gateway.loop, 30_000, 1)
    gateway.advance(29_999)
    cr_close_stalled(gateway.loop, 30_000, 1)
    #expect(gateway.open == 1)
    gateway.advance(1)
    cr_close_stalled(gateway.loop, 30_000, 1)
    gateway.settle()
    #expect(gateway.open == 0)
    #expect(gateway.buffered == 0)
  }

  @Test("policy may close from within a message, while it pauses, and after the peer ended")
  func closingWithin() throws {
    let (first, _) = try connect()
    gateway.message = { gateway, id, _, _ in
      cr_read_pause(gateway.loop, id)
      gateway.close(id, 1003, "no")
    }
    first.send(.text("x"), .text("y"))
    #expect(first.take() == [.close(1003, "no")])
    first.send(.close(1003))
    #expect(first.client.ended)
    let (second, id) = try connect()
    cr_read_pause(gateway.loop, id)
    second.send(.text("x"))
    second.client.end()
    gateway.close(id, 1000)
    gateway.settle()
    #expect(second.client.ended)
    #expect(gateway.open == 0)
    #expect(gateway.buffered == 0)
    #expect(gateway.events == [])
  }

  @Test("cr_close is an orderly end, cr_abort is none")
  func closeAndAbort() throws {
    let (polite, first) = try connect()
    cr_close(gateway.loop, first)
    gateway.settle()
    #expect(polite.take() == [.close(1000)])
    polite.send(.close(1000))
    #expect(polite.client.ended)
    let (rude, second) = try connect()
    cr_abort(gateway.loop, second)
    gateway.settle()
    #expect(rude.take() == [])
    #expect(rude.client.ended)
    #expect(gateway.open == 0)
    #expect(gateway.events == [])
  }

  @Test("draining HTTP leaves WebSockets alone and opens no more")
  func draining() throws {
    let (peer, _) = try connect()
    let waiting = try #require(MemoryClient(gateway))
    let handshake = WebSocketPeer.handshake()
    waiting.send(String(handshake.prefix(20)))
    cr_http_drain(gateway.loop, 0)
    gateway.settle()
    waiting.send(String(handshake.dropFirst(20)))
    #expect(waiting.take().hasPrefix("HTTP/1.1 503 "))
    waiting.end()
    #expect(gateway.open == 1)
    #expect(peer.take() == [])
  }
}

extension Frame {
  fileprivate var text: String { String(decoding: payload, as: UTF8.self) }
}
