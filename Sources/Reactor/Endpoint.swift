import CReactor

/// Where a client connection goes.
public struct Endpoint: Sendable {
  public var host: String
  public var port: UInt16
  public var tls: TLSContext?
  /// Resolving, connecting and TLS together.
  public var connectTimeout: UInt32

  public init(host: String, port: UInt16, tls: TLSContext? = nil, connectTimeout: UInt32) {
    self.host = host
    self.port = port
    self.tls = tls
    self.connectTimeout = connectTimeout
  }
}
