import CReactor
import CReactorPeers
import Foundation

@testable import WorkerBench

/// A client that speaks TLS to the gateway. Its records arrive in slices, it reads in gulps, and what the gateway sends must
/// be TLS to the last byte.
final class SecurePeer: MemoryPeer {
  struct Habits {
    /// Most bytes that it sends in a turn, and most that it takes in one; 0: all there are.
    var slice = 0
    var gulp = 0
    /// Bytes that it has not taken beyond which it accepts none; 0: any number.
    var window = 0
    var speaksOldTLS = false
  }

  private let tls: OpaquePointer
  private let habits: Habits
  /// What waits for the handshake.
  private var plain: [UInt8] = []
  private var outgoing: [UInt8] = []
  private var isOpen = false
  private var ends = false
  private var hasSigned = false
  private var hasEndedBelow = false
  private var updates = 0
  private var moved = false

  init(_ raw: OpaquePointer, _ habits: Habits) {
    self.habits = habits
    var options = tls_client_options()
    options.oldest = 12
    options.newest = habits.speaksOldTLS ? 12 : 13
    tls = tls_client_make(&options)!
    super.init(raw)
    accept(habits.window)
  }

  deinit { tls_client_free(tls) }

  override var hasMoved: Bool { moved }

  /// What came is no TLS.
  override var problem: String? {
    let error = String(cString: tls_client_error(tls))
    return error.isEmpty ? nil : "what is no TLS: \(error)"
  }

  /// The gateway signed its end.
  override var isSigned: Bool { tls_client_ended(tls) }

  override func send(_ bytes: [UInt8]) {
    plain += bytes
    exchange()
  }

  override func take() -> [UInt8] {
    let bytes = takeBelow(habits.gulp)
    if !bytes.isEmpty { tls_client_feed(tls, bytes, bytes.count) }
    moved = exchange() || !bytes.isEmpty
    guard isOpen else { return [] }
    var taken: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while case let count = tls_client_read(tls, &buffer, buffer.count), count > 0 { taken += buffer[..<count] }
    return taken
  }

  /// Signs its end, behind what was sent before.
  override func end() {
    ends = true
    exchange()
  }

  /// Turns to new keys and has the gateway do so. As often as an honest client would.
  override func updateKeys() {
    guard isOpen, !ends, updates < 8 else { return }
    updates += 1
    _ = tls_client_update_keys(tls)
    exchange()
  }

  /// Sends what there is to send. False if there is nothing.
  @discardableResult
  private func exchange() -> Bool {
    if !isOpen { isOpen = tls_client_handshake(tls) == 1 }
    if isOpen, !plain.isEmpty {
      _ = tls_client_write(tls, plain, plain.count)
      plain = []
    }
    if isOpen, ends, !hasSigned {
      hasSigned = true
      tls_client_shutdown(tls)
    }
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while case let count = tls_client_take(tls, &buffer, buffer.count), count > 0 { outgoing += buffer[..<count] }
    guard !outgoing.isEmpty else { return endBelow() }
    // Large messages would take too many turns otherwise.
    let count = habits.slice == 0 ? outgoing.count : min(max(habits.slice, outgoing.count / 64), outgoing.count)
    sendBelow(Array(outgoing[..<count]))
    outgoing.removeFirst(count)
    return true
  }

  private func endBelow() -> Bool {
    // Without a handshake there is nobody to sign anything for.
    guard ends, !hasEndedBelow else { return false }
    hasEndedBelow = true
    super.end()
    return true
  }
}

/// The certificate of simulated gateways.
enum SimulatedIdentity {
  /// What their listeners serve. It is never freed.
  nonisolated(unsafe) static let context: OpaquePointer = {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString).pem").path
    precondition(peer_identity_make(file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    return file.withCString { file in
      var identity = cr_tls_identity(cert_file: file, key_file: nil)
      var message = [CChar](repeating: 0, count: 400)
      return withUnsafePointer(to: &identity) { identity in
        var options = cr_tls_server_options(
          identities: identity, identity_count: 1, client_ca_file: nil, client_auth: CR_TLS_CLIENT_OFF, renews: nil)
        return cr_tls_server_make(&options, &message, message.count)!
      }
    }
  }()
}
