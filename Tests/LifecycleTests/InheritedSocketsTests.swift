import Testing

@testable import Lifecycle

@Suite("Sockets that listened before")
struct InheritedSocketsTests {
  /// Which sockets each worker gets; a second descriptor of one is that and 100.
  private func share(_ sockets: Int, _ workers: Int) -> [[Int32]] {
    InheritedSockets.share((0..<sockets).map(Int32.init), workers) { $0 + 100 }
  }

  @Test("are one for each worker where there are as many")
  func asMany() { #expect(share(3, 3) == [[0], [1], [2]]) }

  @Test("are all served where there are more than workers, so that nobody waits in a queue that nobody reads")
  func more() {
    #expect(share(5, 2) == [[0, 2, 4], [1, 3]])
    #expect(share(3, 1) == [[0, 1, 2]])
  }

  @Test("serve several workers each where there are fewer, under a descriptor for each")
  func fewer() {
    #expect(share(1, 3) == [[0], [100], [100]])
    #expect(share(2, 5) == [[0], [1], [100], [101], [100]])
  }

  @Test(
    "have a worker each, and every worker has one, however many there are",
    arguments: [(1, 1), (1, 8), (2, 3), (3, 2), (7, 4), (8, 8), (16, 5)])
  func everybody(_ sockets: Int, _ workers: Int) {
    let shared = share(sockets, workers)
    #expect(shared.count == workers && shared.allSatisfy { !$0.isEmpty })
    let own = shared.joined().filter { $0 < 100 }
    #expect(own.sorted() == (0..<sockets).map(Int32.init), "each is handed out once")
  }

  @Test("make no worker listen where there are none, and leave out a descriptor that could not be had")
  func none() {
    #expect(share(0, 3) == [[], [], []])
    #expect(InheritedSockets.share([4], 3) { _ in -1 } == [[4], [], []])
  }

  @Test("that are no listening sockets are no listener's, at whatever address")
  func others() {
    var sockets = InheritedSockets([
      ListeningSocket(listener: "http", descriptor: -1),
      ListeningSocket(listener: "admin", descriptor: -1, anyAddress: true),
    ])
    #expect(sockets.port(of: "http", host: "127.0.0.1", port: 4001) == nil)
    #expect(sockets.port(of: "admin", host: "127.0.0.1", port: 4003) == nil)
    #expect(sockets.port(of: "websocket", host: "127.0.0.1", port: 4002) == nil)
    let taken = ["http", "admin"].map { sockets.take($0, host: "127.0.0.1", port: 0, workers: 2) }
    #expect(taken == [[[], []], [[], []]])
  }
}
