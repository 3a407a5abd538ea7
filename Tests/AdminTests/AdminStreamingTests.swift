import CReactor
import Configuration
import ConfigurationLoading
import Logging
import Testing
import Wire

@testable import Admin
@testable import Gateway
@testable import Reactor
@testable import Workers

/// The time that making pieces takes.
private final class WorkClock {
  private(set) var now: UInt64 = 0
  func pass(_ milliseconds: UInt64) { now += milliseconds }
}

/// Pieces of one kilobyte, so many of them.
private final class Pieces: AdminStream {
  private(set) var made = 0
  private(set) var isCancelled = false
  private let count: Int
  private let pause: UInt64?
  private let work: (WorkClock, UInt64)?

  /// - Parameter work: how many milliseconds each takes.
  init(_ count: Int, pause: UInt64? = nil, work: (WorkClock, UInt64)? = nil) {
    self.count = count
    self.pause = pause
    self.work = work
  }

  func next(_ piece: inout [UInt8]) -> AdminStep {
    made += 1
    if let (clock, milliseconds) = work { clock.pass(milliseconds) }
    piece += [UInt8](repeating: UInt8(ascii: "a"), count: 1024)
    if made == count { return .end }
    return pause.map { .rest(milliseconds: $0) } ?? .more
  }

  func cancel() { isCancelled = true }
}

/// The control loop of a gateway without servers, and clients of its admin listener in memory.
private final class Operators {
  private let worker: Worker
  private let listener: OpaquePointer
  private let server: AdminServer

  init(_ clock: WorkClock = WorkClock(), _ stream: @escaping () -> any AdminStream) throws {
    let configuration = try ConfigurationLoader.load(ConfigurationInputs(), environment: [:]).configuration
    let state = GatewayState(Settings(configuration), clusters: [], workerCount: 0, debugEcho: false)
    var options = EventLoop.Options()
    options.manualClock = true
    let logger = Logger(label: "admin") { _ in SwiftLogNoOpLogHandler() }
    worker = try Worker(index: 0, gateway: state, options: options, logger: logger)
    var routes = RouteTable<AdminHandler>.all
    routes.add(.get, "/stream") { _, _ in AdminReply(200, "text/plain", .stream(stream())) }
    server = AdminServer(state, routes: routes, clock: { clock.now })
    worker.serve(server)
    var limits = HTTPLimits().raw
    listener = cr_memory_listen(worker.loop.raw, ListenerLabel.admin, &limits)
  }

  deinit { cr_listener_stop(listener) }

  func ask(_ path: String, _ method: String = "GET", window: Int = 0) throws -> Client {
    var faults = cr_fault_plan()
    let client = Client(try #require(cr_memory_accept(worker.loop.raw, listener, &faults)))
    if window > 0 { cr_memory_peer_window(client.raw, window) }
    client.send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client
  }

  /// One turn of the loop, at the same time.
  func step() { worker.loop.step() }

  /// So many milliseconds, with a few turns of the loop in each.
  func turn(_ count: Int = 1) {
    for _ in 0..<count {
      worker.loop.advance(milliseconds: 1)
      for _ in 0..<4 { worker.loop.step() }
    }
  }
}

private final class Client {
  let raw: OpaquePointer
  private(set) var read: [UInt8] = []

  init(_ raw: OpaquePointer) { self.raw = raw }

  deinit { cr_memory_peer_free(raw) }

  func send(_ text: String) {
    Array(text.utf8).withUnsafeBufferPointer { cr_memory_peer_send(raw, cwire_span_make($0.baseAddress, $0.count)) }
  }

  /// Everything that was written to it so far.
  func take() -> String {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = cr_memory_peer_take(raw, &buffer, buffer.count)
      guard count > 0 else { break }
      read += buffer[..<count]
    }
    return String(decoding: read, as: UTF8.self)
  }

  /// Bytes of pieces that have come since the last time.
  func takePieces() -> Int {
    let before = read.count
    _ = take()
    return read[before...].count { $0 == UInt8(ascii: "a") }
  }
}

@Suite struct AdminStreamingTests {
  @Test("a stream comes whole, chunked, and its connection serves the next request")
  func whole() throws {
    let operators = try Operators { Pieces(500) }
    let client = try operators.ask("/stream")
    for _ in 0..<200 where !client.take().hasSuffix("0\r\n\r\n") { operators.turn() }
    #expect(client.take().hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(client.take().contains("Transfer-Encoding: chunked\r\n"))
    #expect(client.read.count > 500 << 10 && client.take().hasSuffix("0\r\n\r\n"))
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    operators.turn()
    #expect(client.take().hasSuffix("\r\n\r\nok\n"))
  }

  @Test("no more is made than a client takes, and the rest once it takes it")
  func backPressure() throws {
    let source = Pieces(1000)
    let operators = try Operators { source }
    let client = try operators.ask("/stream", window: 8 << 10)
    operators.turn(100)
    #expect(source.made > 8 && source.made < 200, "\(source.made) pieces were made for who takes 8")
    for _ in 0..<2000 where !client.take().hasSuffix("0\r\n\r\n") { operators.turn() }
    #expect(source.made == 1000)
    #expect(client.take().hasSuffix("0\r\n\r\n"))
    #expect(!source.isCancelled)
  }

  @Test("a turn makes pieces until its two milliseconds are over, however many streams there are", arguments: [1, 3])
  func turns(streams: Int) throws {
    let clock = WorkClock()
    var sources: [Pieces] = []
    let operators = try Operators(clock) {
      sources.append(Pieces(.max, work: (clock, 1)))
      return sources.last!
    }
    let readers = try (0..<streams).map { _ in try operators.ask("/stream") }
    operators.turn()
    #expect(sources.count == streams)
    for _ in 0..<40 {
      let (made, begun) = (sources.reduce(0) { $0 + $1.made }, clock.now)
      operators.step()
      #expect(clock.now <= begun + 2)
      #expect(sources.reduce(0) { $0 + $1.made } <= made + 2)
    }
    #expect(sources.allSatisfy { $0.made >= 20 })
    for reader in readers { #expect(reader.takePieces() > 0) }
  }

  @Test("others are answered while a stream has no end", arguments: [1, 5])
  func budget(streams: Int) throws {
    let clock = WorkClock()
    let operators = try Operators(clock) { Pieces(.max, work: (clock, 1)) }
    let readers = try (0..<streams).map { _ in try operators.ask("/stream", window: 64 << 10) }
    operators.turn(3)
    let client = try operators.ask("/healthz")
    operators.turn(2)
    #expect(client.take().hasSuffix("ok\n"))
    for reader in readers {
      _ = reader.takePieces()
      operators.turn(20)
      #expect(reader.takePieces() > 0)
    }
  }

  @Test("a stream ends with its client", arguments: [true, false])
  func gone(isReset: Bool) throws {
    let source = Pieces(.max, pause: 10)
    let operators = try Operators { source }
    let client = try operators.ask("/stream")
    operators.turn(30)
    #expect(source.made >= 2 && source.made <= 4)
    if isReset { cr_memory_peer_reset(client.raw) } else { cr_memory_peer_end(client.raw) }
    operators.turn(30)
    #expect(source.isCancelled)
    let made = source.made
    operators.turn(100)
    #expect(source.made == made)
  }

  @Test("HEAD of a stream has no body")
  func head() throws {
    let source = Pieces(10)
    let operators = try Operators { source }
    let client = try operators.ask("/stream", "HEAD")
    operators.turn(5)
    #expect(client.take().hasPrefix("HTTP/1.1 200 OK\r\n") && client.take().hasSuffix("\r\n\r\n"))
    #expect(source.made == 0 && source.isCancelled)
    client.send("HEAD /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    operators.turn()
    #expect(client.take().contains("HTTP/1.1 503") && client.take().hasSuffix("\r\n\r\n"))
  }
}
