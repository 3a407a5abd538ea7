import CReactor
import CReactorPeers
import Foundation

/// What a listener serves, or the sentence why it can't.
func serverContext(
  _ certificates: Peer.Certificates, _ names: [String] = ["localhost"], keys: [String]? = nil, clientCA: String? = nil,
  authentication: cr_tls_client_auth = CR_TLS_CLIENT_OFF, renewing: OpaquePointer? = nil
) -> (context: OpaquePointer?, message: String) {
  var strings = [UnsafeMutablePointer<CChar>]()
  defer { for string in strings { free(string) } }
  func path(_ file: String) -> UnsafePointer<CChar> {
    strings.append(strdup(certificates.path(file)))
    return UnsafePointer(strings.last!)
  }
  let identities = names.enumerated().map { index, name in
    cr_tls_identity(
      cert_file: path(name + ".pem"), key_file: keys.map { path($0[index]) } ?? path(name + ".key"))
  }
  var message = [CChar](repeating: 0, count: 400)
  let context = identities.withUnsafeBufferPointer { identities in
    var options = cr_tls_server_options(
      identities: identities.baseAddress, identity_count: UInt32(identities.count),
      client_ca_file: clientCA.map { path($0) }, client_auth: authentication, renews: renewing)
    return cr_tls_server_make(&options, &message, message.count)
  }
  let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
  return (context, String(decoding: text, as: UTF8.self))
}

/// A client that speaks TLS to a `MemoryGateway`.
final class SecureClient {
  struct Options {
    var name: String?
    var certificate: String?
    var alpn: String?
    var ciphers: String?
    var versions = 0...0
    var resumes: SecureClient?
    /// Bytes given to the gateway at a time; 0: all there are.
    var slice = 0
  }

  private let gateway: MemoryGateway
  private let peer: OpaquePointer
  private let tls: OpaquePointer
  private let slice: Int
  private(set) var output: [UInt8] = []
  /// 1: done; 0: under way; -1: failed.
  private(set) var handshake: Int32 = 0

  init?(
    _ gateway: MemoryGateway, _ certificates: Peer.Certificates, _ options: Options = Options(),
    faults: cr_fault_plan = cr_fault_plan()
  ) {
    var faults = faults
    guard let peer = cr_memory_accept(gateway.loop, gateway.listener, &faults) else { return nil }
    self.gateway = gateway
    self.peer = peer
    slice = options.slice
    func text(_ string: String?) -> UnsafeMutablePointer<CChar>? { string.map { strdup($0) } }
    let strings = [
      text(certificates.path("ca.pem")), text(options.name),
      text(options.certificate.map { certificates.path($0 + ".pem") }),
      text(options.certificate.map { certificates.path($0 + ".key") }), text(options.alpn), text(options.ciphers),
    ]
    defer { for string in strings { free(string) } }
    var settings = tls_client_options(
      ca: strings[0], name: strings[1], certificate: strings[2], key: strings[3], protocol: strings[4],
      ciphers: strings[5], oldest: Int32(options.versions.lowerBound), newest: Int32(options.versions.upperBound),
      resumes: options.resumes?.tls)
    tls = tls_client_make(&settings)!
  }

  deinit {
    tls_client_free(tls)
    cr_memory_peer_free(peer)
  }

  /// Carries bytes to and fro until neither side has anything to say.
  func exchange() {
    while true {
      if handshake == 0 { handshake = tls_client_handshake(tls) }
      let sent = deliver()
      gateway.settle()
      let came = collect()
      if handshake == 1 { read() }
      if !sent && !came { return }
    }
  }

  /// All that the client wants to send now.
  func flight() -> [UInt8] {
    if handshake == 0 { handshake = tls_client_handshake(tls) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = tls_client_take(tls, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
    return bytes
  }

  private func deliver() -> Bool {
    let bytes = flight()
    var start = 0
    while start < bytes.count {
      let end = slice == 0 ? bytes.count : min(bytes.count, start + slice)
      sendRaw(Array(bytes[start..<end]))
      if slice > 0 { gateway.settle() }
      start = end
    }
    return !bytes.isEmpty
  }

  private func collect() -> Bool {
    let bytes = takeRaw()
    if !bytes.isEmpty { tls_client_feed(tls, bytes, bytes.count) }
    return !bytes.isEmpty
  }

  /// Reads bytes that were taken before.
  func receive(_ bytes: [UInt8]) {
    tls_client_feed(tls, bytes, bytes.count)
    read()
  }

  private func read() {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = tls_client_read(tls, &buffer, buffer.count), count > 0 { output += buffer[..<count] }
  }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    _ = tls_client_write(tls, bytes, bytes.count)
    exchange()
  }

  /// Turns to new keys and asks the gateway for the same. Nothing is carried.
  func updateKeys() -> Bool { tls_client_update_keys(tls) }
  /// Asks for another handshake. Nothing is carried, and nothing else can be sent afterwards.
  func askForHandshake() -> Bool { tls_client_ask_handshake(tls) }

  /// Takes nothing any more of what the gateway writes, or does so again.
  func stall(_ stalled: Bool = true) { cr_memory_peer_stall(peer, stalled) }

  /// Takes about a KiB of what the gateway writes, and no more until the next call.
  func sip() { gateway.sip(peer) }

  /// Puts text into a record, which is not carried yet.
  func seal(_ text: String) { seal(Array(text.utf8)) }
  func seal(_ bytes: [UInt8]) { _ = tls_client_write(tls, bytes, bytes.count) }
  /// Puts a goodbye behind what is to be carried.
  func part() { tls_client_shutdown(tls) }

  /// Carries what the client has to say, and lets the gateway work.
  func carry() {
    sendRaw(flight())
    gateway.settle()
  }

  /// All that came since the last call, without the Date lines.
  func take() -> String {
    defer { output = [] }
    return String(decoding: output, as: UTF8.self).replacing(#/Date: [^\r]*\r\n/#, with: "")
  }

  func takeBytes() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Says goodbye, then ends the transport below.
  func end() {
    tls_client_shutdown(tls)
    exchange()
    endRaw()
  }

  func endRaw() {
    cr_memory_peer_end(peer)
    gateway.settle()
  }

  func sendRaw(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { cr_memory_peer_send(peer, cwire_span(base: $0.baseAddress, length: $0.count)) }
  }

  func takeRaw() -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = cr_memory_peer_take(peer, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
    return bytes
  }

  /// The gateway has closed the transport below.
  var isClosed: Bool { cr_memory_peer_ended(peer) }
  /// It said goodbye before.
  var saidGoodbye: Bool { tls_client_ended(tls) }
  var isResumed: Bool { tls_client_resumed(tls) }
  var error: String { String(cString: tls_client_error(tls)) }

  /// The name in the certificate that it was shown.
  var server: String {
    var name = [CChar](repeating: 0, count: 100)
    return tls_client_server(tls, &name, name.count)
      ? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
  }
}
