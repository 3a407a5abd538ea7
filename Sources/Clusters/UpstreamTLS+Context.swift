import Configuration
import Reactor

extension GatewayConfiguration.UpstreamTLS {
  /// Reads the files.
  public func context() throws(TLSContext.Failure) -> TLSContext {
    try TLSContext(ca: ca, certificate: certificate, key: key, verify: verify)
  }

  public var namesFiles: Bool { ca != nil || certificate != nil }
}
