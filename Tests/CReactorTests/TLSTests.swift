import CReactor
import CReactorPeers
import Foundation
import Testing

@Suite("A TLS client connection", .timeLimit(.minutes(10)))
struct TLSTests {
  let certificates = Peer.Certificates()

  /// A context, or the sentence why there is none.
  func context(
    ca: String? = "ca.pem", cert: String? = nil, key: String? = nil, verify: Bool = true
  ) -> (context: OpaquePointer?, message: String) {
    var strings = [UnsafeMutablePointer<CChar>]()
    defer { for string in strings { free(string) } }
    func path(_ file: String?) -> UnsafePointer<CChar>? {
      guard let file else { return nil }
      strings.append(strdup(certificates.path(file)))
      return UnsafePointer(strings.last!)
    }
    var options = cr_tls_client_options(ca_file: path(ca), cert_file: path(cert), key_file: path(key), verify: verify)
    var message = [CChar](repeating: 0, count: 400)
    let context = cr_tls_client_make(&options, &message, message.count)
    let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return (context, String(decoding: text, as: UTF8.self))
  }

  @Test(
    "carries exchanges over TLS 1.2 and 1.3, by name and by address",
    arguments: [false, true], ["localhost", "127.0.0.1"])
  func exchanges(oldTLS: Bool, host: String) {
    let peer = Peer(certificate: (certificates, "localhost"), oldTLS: oldTLS)
    let tls = context().context
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, host: host, tls: tls, timeout: 20_000)
    cr_tls_context_free(tls)  // the connection holds it
    for round in 0..<5 {
      let answer = bench.exchange(id, "/", body: Array("round \(round)".utf8))
      #expect(answer?.text == "round \(round)")
      #expect(answer?.isReusable == true)
    }
    #expect(peer.accepted == 1)
  }

  @Test(
    "goes to the address that is given, and is checked against the name",
    arguments: [("localhost", true), ("other.test", false)])
  func address(host: String, fits: Bool) {
    let peer = Peer(certificate: (certificates, "localhost"))
    let tls = context().context
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, host: host, address: "127.0.0.1", tls: tls, timeout: 20_000)
    cr_tls_context_free(tls)
    #expect(bench.exchange(id, "/", body: Array("hello".utf8))?.text == (fits ? "hello" : nil))
  }

  @Test("takes a request before the handshake is done, and moves megabytes both ways")
  func large() {
    let peer = Peer(certificate: (certificates, "localhost"))
    let tls = context().context
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, tls: tls)
    let body = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(bench.send(id, "/", body: body) == CR_WRITE_FULL)
    bench.run { bench.ends[1] != nil || bench.answers[1]?.last?.isComplete == true }
    #expect(bench.answers[1]?.last?.body == body)
    #expect(bench.exchange(id, "/", body: body)?.body == body)
    #expect(bench.drained == [1])
  }

  @Test("new keys that a server asks for leave what is on its way what it is", arguments: [1, 20])
  func newKeys(times: UInt32) {
    let peer = Peer(certificate: (certificates, "localhost"), newKeys: times)
    let tls = context().context
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, tls: tls)
    let body = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(bench.exchange(id, "/", body: body)?.body == body)
    #expect(bench.exchange(id, "/", body: [1, 2, 3])?.body == [1, 2, 3])
  }

  @Test("a server that asks for new keys all the time is left")
  func restless() {
    let peer = Peer(certificate: (certificates, "localhost"), newKeys: 1000)
    let tls = context().context
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, tls: tls)
    #expect(bench.exchange(id, "/", body: [UInt8](repeating: 7, count: 8_000_000)) == nil)
    #expect(bench.ends[1]?.domain == UInt16(CR_DOMAIN_REACTOR.rawValue))
    #expect(bench.ends[1]?.code == Int32(CR_REASON_RESTLESS.rawValue))
  }

  @Test("hands on nothing while it is paused, and loses nothing")
  func paused() {
    let body = String(repeating: "0123456789", count: 30_000)
    let head = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    let peer = Peer([.init(path: "/", bytes: head + body)], certificate: (certificates, "localhost"))
    let tls = context().context
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, tls: tls)
    var told = 0
    bench.onPiece = { [unowned bench] id, _ in
      told += 1
      cr_read_pause(bench.loop, id)
    }
    bench.send(id, "/")
    bench.run { told == 1 }
    while bench.answers[1]?.last?.isComplete != true {
      let before = told
      for _ in 0..<3 { _ = cr_loop_step(bench.loop) }
      #expect(told == before)
      cr_read_resume(bench.loop, id)
      bench.run { told > before }
    }
    #expect(bench.answers[1]?.last?.text == body)
  }

  @Test(
    "is refused, with a text that says why, when the server is not the right one",
    arguments: [
      ("localhost", "stranger.pem", "localhost", "unable to get local issuer certificate"),
      ("localhost", nil, "localhost", "unable to get local issuer certificate"),
      ("elsewhere", "ca.pem", "localhost", "hostname mismatch"),
      ("elsewhere", "ca.pem", "127.0.0.1", "IP address mismatch"),
      ("expired", "ca.pem", "localhost", "certificate has expired"),
    ])
  func refused(server: String, ca: String?, host: String, reason: String) {
    let peer = Peer(certificate: (certificates, server))
    let tls = context(ca: ca).context
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench()
    let id = bench.connect(to: peer.port, host: host, tls: tls)
    bench.send(id, "/")
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.domain == UInt16(CR_DOMAIN_TLS.rawValue))
    #expect(bench.ends[1]?.text == "the peer's certificate was refused: \(reason)")
    #expect(bench.ends[1]?.sent == false)
    #expect(bench.answers.isEmpty)
  }

  @Test("resumes what a server gave it, with the same server and the same trust", arguments: [false, true])
  func resumption(oldTLS: Bool) {
    let peer = Peer(certificate: (certificates, "localhost"), oldTLS: oldTLS)
    let other = Peer(certificate: (certificates, "localhost"), oldTLS: oldTLS)
    let tls = context().context
    let sameFiles = context().context
    defer {
      cr_tls_context_free(tls)
      cr_tls_context_free(sameFiles)
    }
    let bench = ClientBench()
    var tag: UInt64 = 0
    func isResumed(_ peer: Peer, _ tls: OpaquePointer?) -> Bool {
      tag += 1
      let id = bench.connect(to: peer.port, host: "localhost", tls: tls, tag: tag)
      #expect(bench.exchange(id, "/", body: [65], tag: tag)?.text == "A")
      var info = cr_tls_info()
      #expect(cr_connection_tls(bench.loop, id, &info))
      return info.resumed
    }
    #expect(!isResumed(peer, tls))
    #expect(isResumed(peer, tls))
    #expect(isResumed(peer, tls))
    #expect(!isResumed(other, tls))
    #expect(!isResumed(peer, sameFiles))
    #expect(isResumed(other, tls))
  }

  @Test("asks nothing of the server's certificate when told so in so many words")
  func unverified() {
    let peer = Peer(certificate: (certificates, "expired"))
    let tls = context(ca: nil, verify: false).context
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench()
    #expect(bench.exchange(bench.connect(to: peer.port, tls: tls), "/", body: [65])?.text == "A")
  }

  @Test("shows its certificate to a server that asks for one, and is refused without")
  func clientCertificate() {
    let peer = Peer(certificate: (certificates, "localhost"), clientCA: certificates.path("ca.pem"))
    let bench = ClientBench()
    let with = context(cert: "client.pem", key: "client.key").context
    let without = context().context
    defer {
      cr_tls_context_free(with)
      cr_tls_context_free(without)
    }
    #expect(bench.exchange(bench.connect(to: peer.port, tls: with), "/", body: [65])?.text == "A")
    _ = bench.exchange(bench.connect(to: peer.port, tls: without, tag: 2), "/", body: [65], tag: 2)
    #expect(bench.ends[2] != nil)
    #expect(bench.answers[2] == nil)
  }

  @Test("believes the end of an unmeasured answer only if the server signed it")
  func unsignedEnd() {
    let reply = Peer.Reply(path: "/", bytes: "HTTP/1.1 200 OK\r\n\r\nall of it", thenClose: true)
    let peer = Peer([reply], certificate: (certificates, "localhost"))
    let tls = context().context
    defer { cr_tls_context_free(tls) }
    let bench = ClientBench()
    let answer = bench.exchange(bench.connect(to: peer.port, tls: tls), "/")
    #expect(answer?.text == "all of it")
    #expect(answer?.isComplete == true)
  }

  @Test(
    "can't be made of files that are not what they should be",
    arguments: [
      ("none.pem", nil, nil, "cannot read root certificates from", "No such file or directory"),
      ("ca.key", nil, nil, "cannot read root certificates from", "no certificate or crl found"),
      ("ca.pem", "none.pem", nil, "cannot read a certificate from", "No such file or directory"),
      ("ca.pem", "client.pem", "ca.key", "does not belong to the certificate", "client.pem"),
      ("ca.pem", "client.pem", "ca.pem", "there is no private key in", "ca.pem"),
    ])
  func badFiles(ca: String, cert: String?, key: String?, what: String, reason: String) {
    let (context, message) = context(ca: ca, cert: cert, key: key)
    #expect(context == nil)
    #expect(message.contains(what))
    #expect(message.contains(reason))
  }
}
