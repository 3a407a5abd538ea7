import CReactor

/// Where a client connection goes.
package struct Endpoint: Sendable {
  package var host: String
  package var port: UInt16
  package var tls: TLSContext?
  /// Resolving, connecting and TLS together.
  package var connectTimeout: UInt32

  package init(host: String, port: UInt16, tls: TLSContext? = nil, connectTimeout: UInt32) {
    self.host = host
    self.port = port
    self.tls = tls
    self.connectTimeout = connectTimeout
  }
}
