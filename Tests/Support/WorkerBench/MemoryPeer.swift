import CReactor

@testable import Reactor

/// The far end of an in-memory connection of a gateway's loop.
class MemoryPeer {
  private let raw: OpaquePointer

  /// Takes over a peer that a loop made.
  init(_ raw: OpaquePointer) {
    self.raw = raw
  }

  deinit { cr_memory_peer_free(raw) }

  /// Faults of what the gateway writes from now on.
  func plan(_ faults: cr_fault_plan) {
    var faults = faults
    cr_memory_peer_plan(raw, &faults)
  }

  /// While it is stalled it takes nothing.
  func stall(_ stalled: Bool) { cr_memory_peer_stall(raw, stalled) }

  /// Beyond so many bytes that were not taken it accepts none; 0: any number.
  func accept(_ window: Int) { cr_memory_peer_window(raw, window) }

  func send(_ bytes: [UInt8]) { sendBelow(bytes) }

  /// What the gateway has written since the last call.
  func take() -> [UInt8] { takeBelow(0) }

  func end() { cr_memory_peer_end(raw) }

  final func sendBelow(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { cr_memory_peer_send(raw, cwire_span_make($0.baseAddress, $0.count)) }
  }

  /// At most so many bytes, or with 0 all that the gateway has written.
  final func takeBelow(_ most: Int) -> [UInt8] {
    var taken: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while most == 0 || taken.count < most {
      let count = cr_memory_peer_take(raw, &buffer, most == 0 ? buffer.count : min(buffer.count, most - taken.count))
      guard count > 0 else { break }
      taken += buffer[..<count]
    }
    return taken
  }

  /// The gateway ended the connection, and everything it wrote was taken.
  var isEnded: Bool { cr_memory_peer_ended(raw) }

  func reset() { cr_memory_peer_reset(raw) }

  // What a layer between knows.

  /// Bytes went either way in the last `take`.
  var hasMoved: Bool { false }
  var problem: String? { nil }
  /// The gateway said that this is the end, if there is a way to say so.
  var isSigned: Bool { true }
  func updateKeys() {}
}

/// A listener in memory.
struct MemoryListener {
  private let raw: OpaquePointer
  private let loop: OpaquePointer

  /// - Parameter identity: over TLS if there is one.
  init(_ loop: EventLoop, label: UInt32, limits: HTTPLimits, identity: OpaquePointer? = nil) {
    var limits = limits.raw
    self.loop = loop.raw
    raw = cr_memory_listen(loop.raw, label, &limits)
    if let identity { cr_listener_set_tls(raw, identity) }
  }

  /// A client connects; nil if it is turned away.
  func accept(_ faults: cr_fault_plan = cr_fault_plan()) -> MemoryPeer? { connect(faults).map(MemoryPeer.init) }

  /// The far end of a new connection, for a peer to take over; nil if it is turned away.
  func connect(_ faults: cr_fault_plan) -> OpaquePointer? {
    var faults = faults
    return cr_memory_accept(loop, raw, &faults)
  }

  func stop() { cr_listener_stop(raw) }
}

/// Takes the connections of loops to one host. It outlives the loops.
final class Interceptor {
  private(set) var arrived: [MemoryPeer] = []
  private var places: [(host: String, loop: EventLoop)] = []

  func intercept(_ host: String, on loop: EventLoop) {
    places.append((host, loop))
    take(host, on: loop)
  }

  /// Whether nobody listens there for now.
  func refuse(_ refuses: Bool) {
    for (host, loop) in places {
      if refuses { cr_memory_intercept(loop.raw, host, nil, nil) } else { take(host, on: loop) }
    }
  }

  private func take(_ host: String, on loop: EventLoop) {
    cr_memory_intercept(
      loop.raw, host,
      { context, peer in
        Unmanaged<Interceptor>.fromOpaque(context!).takeUnretainedValue().arrived.append(MemoryPeer(peer!))
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  func takeArrived() -> [MemoryPeer] {
    defer { arrived = [] }
    return arrived
  }
}
