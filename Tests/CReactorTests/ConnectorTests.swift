import CReactor
import CReactorPeers
import Foundation
import Testing

/// The names of one test and what they mean. A name that is `held` is answered once it is let go. Asked on threads of
/// its own, and kept by those that ask. What changes lies behind the lock, one that ThreadSanitizer knows.
private final class Names: @unchecked Sendable {
  private struct State {
    var addresses: [String: String]
    var held: Set<String>
    var asked: [String] = []
  }

  private let lock = NSCondition()
  private var state: State

  init(_ addresses: [String: String] = [:], held: Set<String> = []) {
    state = State(addresses: addresses, held: held)
  }

  /// What was looked up, in order.
  var asked: [String] { lock.withLock { state.asked } }

  func release(_ name: String) { change { $0.held.remove(name) } }

  func releaseAll() { change { $0.held = [] } }

  private func change(_ body: (inout State) -> Void) {
    lock.withLock {
      body(&state)
      lock.broadcast()
    }
  }

  private func find(_ name: String) -> String? {
    lock.withLock {
      state.asked.append(name)
      while state.held.contains(name) { lock.wait() }
      return state.addresses[name]
    }
  }

  /// All that there were. A loop's threads may outlive it, so they are never freed.
  private static let kept = Kept()

  private final class Kept: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [Names] = []

    func append(_ names: Names) { lock.withLock { all.append(names) } }
  }

  /// Has a loop look names up here.
  func serve(_ bench: ClientBench) {
    Self.kept.append(self)
    cr_memory_lookup(
      bench.loop,
      { context, host, out, capacity in
        let names = Unmanaged<Names>.fromOpaque(context!).takeUnretainedValue()
        guard let found = names.find(String(cString: host!)) else { return -3008 }  // UV_EAI_NONAME
        _ = found.withCString { strncpy(out!, $0, capacity - 1) }
        return 0
      }, Unmanaged.passUnretained(self).toOpaque())
  }
}

/// A loopback address that takes the first packet of a connection and never answers: a socket that listens, with a full
/// queue.
private final class SilentAddress {
  private let descriptor: Int32
  private var filler: Int32 = -1
  let address: String
  let port: UInt16

  init?(_ address: String, port: UInt16) {
    self.address = address
    self.port = port
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = port.bigEndian
    inet_pton(AF_INET, address, &place.sin_addr)
    let isBound = Self.with(&place) { bind(descriptor, $0, $1) == 0 } && listen(descriptor, 0) == 0
    guard isBound else { return nil }
    // A queue of none takes one.
    filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard Self.with(&place, { connect(filler, $0, $1) == 0 }) else { return nil }
  }

  /// A peer, and such addresses with its port. Somebody else may have that port at one of them: then another peer does.
  static func beside(_ addresses: [String]) throws -> (Peer, [SilentAddress]) {
    for _ in 0..<20 {
      let peer = Peer()
      let silent = addresses.compactMap { SilentAddress($0, port: peer.port) }
      if silent.count == addresses.count { return (peer, silent) }
    }
    throw NoPortIsFree()
  }

  private struct NoPortIsFree: Error {}

  deinit {
    close(filler)
    close(descriptor)
  }

  /// Whether sockets have sent their first packet there and wait (SYN-SENT in `/proc/net/tcp`, which may miss one that
  /// changes while it is read: ask until it says what it should).
  var isAwaited: Bool {
    let octets = address.split(separator: ".").map { String(format: "%02X", Int($0)!) }
    let entry = " " + octets.reversed().joined() + ":" + String(format: "%04X", Int(port)) + " 02 "
    // The kernel gives it in pieces, of which any may be short.
    let file = open("/proc/self/net/tcp", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    var table = Data()
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(file, &piece, piece.count), count > 0 { table += piece[..<count] }
    return table.range(of: Data(entry.utf8)) != nil
  }

  private static func with(_ place: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool) -> Bool {
    withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}

@Suite("A connection from a name", .timeLimit(.minutes(10)))
struct ConnectorTests {
  /// Turns the loop until it has begun all that it was told to.
  private func rest(_ bench: ClientBench) { while cr_loop_step(bench.loop) {} }

  /// The same, and something else has gone to a server and back meanwhile.
  private func pass(_ bench: ClientBench) {
    let other = Peer()
    let id = bench.connect(to: other.port, tag: 1000)
    #expect(bench.exchange(id, "/", body: [90], tag: 1000)?.text == "Z")
    cr_close(bench.loop, id)
    rest(bench)
  }

  @Test(
    "goes on to the next address when one fails at once",
    arguments: [
      "::1 127.0.0.1",  // nobody listens
      "2001:db8::1 127.0.0.1",  // there may be no way to it at all
      "255.255.255.255 127.0.0.1", "127.0.0.2 ::1 127.0.0.1",
    ])
  func failsAtOnce(addresses: String) {
    let peer = Peer()
    let bench = ClientBench()
    Names(["two.test": addresses]).serve(bench)
    let id = bench.connect(to: peer.port, host: "two.test")
    #expect(bench.exchange(id, "/", body: [65])?.text == "A")
  }

  @Test("does not wait for an address that is silent, and leaves nothing behind that asks there")
  func silent() throws {
    let (peer, addresses) = try SilentAddress.beside(["127.0.0.2"])
    let silent = addresses[0]
    let bench = ClientBench(manualClock: true)
    Names(["two.test": "127.0.0.2 127.0.0.1"]).serve(bench)
    let id = bench.connect(to: peer.port, host: "two.test", timeout: 1000)
    bench.send(id, "/", body: [65])
    bench.run { silent.isAwaited }
    cr_loop_advance(bench.loop, 249)
    pass(bench)
    #expect(peer.accepted == 0)
    cr_loop_advance(bench.loop, 1)
    bench.run { bench.answers[1]?.last?.isComplete == true }
    bench.run { !silent.isAwaited }

    // The address that has answered is asked first from then on, for ten minutes.
    let second = bench.connect(to: peer.port, host: "two.test", tag: 2)
    #expect(bench.exchange(second, "/", body: [66], tag: 2)?.text == "B")
    // It says nothing of another port.
    let (other, others) = try SilentAddress.beside(["127.0.0.2"])
    let elsewhere = bench.connect(to: other.port, host: "two.test", timeout: 1000, tag: 4)
    bench.run { others[0].isAwaited || other.accepted > 0 }
    #expect(other.accepted == 0)
    cr_close(bench.loop, elsewhere)
    cr_loop_advance(bench.loop, 10 * 60 * 1000)
    let third = bench.connect(to: peer.port, host: "two.test", timeout: 1000, tag: 3)
    bench.run { silent.isAwaited }
    #expect(peer.accepted == 2)
    cr_close(bench.loop, third)
    bench.run { !silent.isAwaited }
    #expect(cr_loop_count(bench.loop).upstream == 2)
  }

  @Test("has one time limit for all addresses together")
  func limit() throws {
    let (peer, silent) = try SilentAddress.beside(["127.0.0.2", "127.0.0.3"])
    let bench = ClientBench(manualClock: true)
    Names(["silent.test": "127.0.0.2 127.0.0.3"]).serve(bench)
    _ = bench.connect(to: peer.port, host: "silent.test", timeout: 500)
    for asked in [silent[0], silent[0], silent[1], silent[1]] {
      bench.run { asked.isAwaited }
      rest(bench)
      #expect(bench.ends.isEmpty)
      cr_loop_advance(bench.loop, 125)
    }
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.code == Int32(CR_REASON_TIMED_OUT.rawValue))
    withExtendedLifetime(silent) {}
  }

  @Test(
    "says why when no address answers, or there is none",
    arguments: [
      ("refused.test", CR_DOMAIN_UV, -ECONNREFUSED), ("127.0.0.9", CR_DOMAIN_UV, -ECONNREFUSED),
      ("unknown.test", CR_DOMAIN_RESOLVER, -3008), ("empty.test", CR_DOMAIN_RESOLVER, -3007),
    ])
  func noAnswer(host: String, domain: cr_domain, code: Int32) {
    let peer = Peer()
    let bench = ClientBench()
    Names(["refused.test": "2001:db8::1 127.0.0.2 ::1", "empty.test": ""]).serve(bench)
    _ = bench.connect(to: peer.port, host: host)
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.domain == UInt16(domain.rawValue))
    #expect(bench.ends[1]?.code == code)
  }

  @Test("asks whether a silent peer is still there")
  func keepalive() throws {
    let peer = Peer()
    let bench = ClientBench()
    #expect(bench.exchange(bench.connect(to: peer.port), "/", body: [65])?.text == "A")
    let descriptor = try #require((3..<65_536).first { remotePort(of: $0) == peer.port })
    func option(_ level: Int32, _ name: Int32) -> Int32 {
      var value: Int32 = -1
      var length = socklen_t(MemoryLayout<Int32>.size)
      getsockopt(descriptor, level, name, &value, &length)
      return value
    }
    #expect(option(SOL_SOCKET, SO_KEEPALIVE) == 1)
    #expect(option(Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 30)
    #expect(option(Int32(IPPROTO_TCP), TCP_KEEPINTVL) == 10)
    #expect(option(Int32(IPPROTO_TCP), TCP_KEEPCNT) == 3)
    #expect(option(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 60_000)
    #expect(option(Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
  }

  private func remotePort(of descriptor: Int32) -> UInt16? {
    var place = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isConnected = withUnsafeMutablePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) == 0 }
    }
    return isConnected && place.sin_family == sa_family_t(AF_INET) ? UInt16(bigEndian: place.sin_port) : nil
  }

  // MARK: Looking up

  @Test("names whose servers are silent hold up no other, and as many as there are threads for give way in order")
  func slowNames() {
    let slow = (1...33).map { "slow\($0).test" }
    let names = Names(["quick.test": "127.0.0.1", "slow33.test": "127.0.0.1"], held: Set(slow))
    defer { names.releaseAll() }
    let peer = Peer()
    let bench = ClientBench()
    names.serve(bench)
    let first = slow[..<31].enumerated().map { bench.connect(to: peer.port, host: $1, tag: 100 + UInt64($0)) }
    bench.run { names.asked.count == 31 }
    #expect(bench.exchange(bench.connect(to: peer.port, host: "quick.test"), "/", body: [65])?.text == "A")
    // The last one that there is room for, and one that waits until somebody gives up.
    _ = bench.connect(to: peer.port, host: slow[31], tag: 131)
    bench.run { names.asked.count == 33 }
    let queued = bench.connect(to: peer.port, host: slow[32], tag: 132)
    pass(bench)
    #expect(!names.asked.contains("slow33.test"))
    cr_close(bench.loop, first[0])
    bench.run { names.asked.contains("slow33.test") }
    names.release("slow33.test")
    #expect(bench.exchange(queued, "/", body: [66], tag: 132)?.text == "B")
  }

  @Test("those who ask for one name share its look-up, also one that the first has given up")
  func shared() {
    let names = Names(["a.test": "127.0.0.1"], held: ["a.test"])
    defer { names.releaseAll() }
    let peer = Peer()
    let bench = ClientBench()
    names.serve(bench)
    let ids = (1...3).map { bench.connect(to: peer.port, host: "a.test", tag: $0) }
    bench.run { names.asked.count == 1 }
    for id in ids { cr_close(bench.loop, id) }
    bench.run { cr_loop_count(bench.loop).upstream == 0 }
    let late = bench.connect(to: peer.port, host: "a.test", tag: 4)
    rest(bench)
    names.releaseAll()
    #expect(bench.exchange(late, "/", body: [65], tag: 4)?.text == "A")
    #expect(bench.exchange(bench.connect(to: peer.port, host: "a.test", tag: 5), "/", tag: 5)?.status == 200)
    #expect(names.asked == ["a.test"])
  }

  @Test("an answer that nobody has waited for is kept, a failure for a second")
  func kept() {
    let names = Names(["a.test": "127.0.0.1"], held: ["a.test"])
    let peer = Peer()
    let bench = ClientBench(manualClock: true)
    names.serve(bench)
    _ = bench.connect(to: peer.port, host: "none.test", tag: 1)
    bench.run { bench.ends[1] != nil }
    cr_loop_advance(bench.loop, 999)
    _ = bench.connect(to: peer.port, host: "none.test", tag: 2)
    bench.run { bench.ends[2] != nil }
    #expect(names.asked == ["none.test"])
    cr_loop_advance(bench.loop, 1)
    _ = bench.connect(to: peer.port, host: "none.test", tag: 3)
    bench.run { bench.ends[3] != nil }
    #expect(names.asked == ["none.test", "none.test"])

    let impatient = bench.connect(to: peer.port, host: "a.test", timeout: 10, tag: 4)
    bench.run { names.asked.count == 3 }
    cr_loop_advance(bench.loop, 10)
    bench.run { bench.ends[4] != nil }
    #expect(bench.send(impatient, "/") == CR_WRITE_STALE)
    rest(bench)
    names.releaseAll()
    // Nothing else happens on this loop any more than that the answer comes.
    bench.run { cr_loop_step(bench.loop) }
    #expect(bench.exchange(bench.connect(to: peer.port, host: "a.test", tag: 5), "/", tag: 5)?.status == 200)
    #expect(names.asked.count == 3)
  }

  @Test("a look-up that goes on does not hold up the end of its loop")
  func end() {
    let names = Names(held: ["slow.test"])
    let bench = ClientBench()
    names.serve(bench)
    _ = bench.connect(to: 9, host: "slow.test")
    bench.run { names.asked.count == 1 }
    // Its thread is still asking when this returns, as it is let go only afterwards.
    bench.destroy()
    names.releaseAll()
  }
}
