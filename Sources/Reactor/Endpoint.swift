import CReactor

/// Where a client connection goes.
public struct Endpoint: Sendable {
  /// What certificates are checked against.
  public var host: String
  /// Numeric: where to connect, instead of at the first address of the host that answers.
  public var address: String?
  public var port: UInt16
  public var tls: TLSContext?
  /// Resolving, connecting and TLS together.
  public var connectTimeout: UInt32

  public init(
    host: String, address: String? = nil, port: UInt16, tls: TLSContext? = nil, connectTimeout: UInt32
  ) {
    self.host = host
    self.address = address
    self.port = port
    self.tls = tls
    self.connectTimeout = connectTimeout
  }
}

extension Endpoint {
  /// The same for C, whose strings live as long as the call.
  func withRaw<R>(_ body: (inout cr_endpoint) -> R) -> R {
    unsafe host.withCString { host in
      var raw = unsafe cr_endpoint(
        host: host, address: nil, port: port, tls: tls?.raw, connect_timeout: connectTimeout)
      guard let address else { return unsafe body(&raw) }
      return unsafe address.withCString { address in
        unsafe raw.address = address
        return unsafe body(&raw)
      }
    }
  }
}
