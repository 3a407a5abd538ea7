import CReactor
import CReactorPeers
import Testing

/// What a loop takes over while it runs: each of the bounds that it was given at birth.
@Suite("A loop's bounds", .timeLimit(.minutes(10)))
struct LoopBoundTests {
  private func set(_ bench: ClientBench, _ change: (inout cr_loop_options) -> Void) {
    var options = cr_loop_options()
    options.max_connections = 64
    change(&options)
    cr_loop_set_bounds(bench.loop, &options)
  }

  private static let answer = Peer.Reply(
    path: "/",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
      + (0..<20).map { "X-\($0): \(String(repeating: "x", count: 100))\r\n" }.joined() + "\r\nok")

  @Test("of answers' heads hold for those that come from then on", arguments: [true, false])
  func heads(byCount: Bool) {
    let error = byCount ? CWIRE_HTTP1_TOO_MANY_FIELDS : CWIRE_HTTP1_HEAD_TOO_LARGE
    let peer = Peer([Self.answer])
    let bench = ClientBench()
    #expect(bench.exchange(bench.connect(to: peer.port), "/")?.status == 200)
    set(bench) { if byCount { $0.answer_headers = 20 } else { $0.answer_head = 1000 } }
    _ = bench.exchange(bench.connect(to: peer.port, tag: 2), "/", tag: 2)
    #expect(bench.ends[2]?.code == error.rawValue)
    set(bench) { _ in }
    #expect(bench.exchange(bench.connect(to: peer.port, tag: 3), "/", tag: 3)?.status == 200)
  }

  @Test("of connections hold for those that are made from then on")
  func connections() {
    let peer = Peer()
    let bench = ClientBench()
    let first = bench.connect(to: peer.port)
    set(bench) { $0.max_connections = 1 }
    #expect(bench.connect(to: peer.port, tag: 2) == 0)
    #expect(bench.exchange(first, "/", body: [65])?.text == "A")
    set(bench) { $0.max_connections = 2 }
    #expect(bench.exchange(bench.connect(to: peer.port, tag: 3), "/", body: [66], tag: 3)?.text == "B")
  }

  @Test("of what is queued hold for what is written from then on")
  func marks() {
    let peer = Peer()
    let bench = ClientBench()
    // Nothing leaves before it is connected, so all of it waits.
    #expect(bench.send(bench.connect(to: peer.port), "/", body: [UInt8](repeating: 0, count: 4000)) == CR_WRITE_OK)
    set(bench) { $0.write_high_water = 2000 }
    #expect(
      bench.send(bench.connect(to: peer.port, tag: 2), "/", body: [UInt8](repeating: 0, count: 4000)) == CR_WRITE_FULL)
    bench.run { bench.answers[2]?.last?.isComplete == true }
    #expect(bench.drained == [2])
  }

  @Test("of memory hold for connections that come from then on")
  func memory() throws {
    let gateway = MemoryGateway()
    let early = try #require(MemoryClient(gateway))
    // Too little to be worth its end.
    early.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n" + String(repeating: "x", count: 1500))
    setMemory(of: gateway, 1000)
    #expect(MemoryClient(gateway) == nil)
    setMemory(of: gateway, 0)
    #expect(MemoryClient(gateway) != nil)
  }

  private func setMemory(of gateway: MemoryGateway, _ bytes: Int) {
    var options = cr_loop_options()
    options.max_connections = 100
    options.memory = bytes
    cr_loop_set_bounds(gateway.loop, &options)
  }
}
