extension GatewayConfiguration.Listeners {
  /// How a listener serves TLS. Relative paths were taken from the directory of the file that names them.
  public struct TLS: Sendable, Equatable {
    /// The first one serves names that no other covers (`tls.cert` and `tls.key`, then `tls.certificates`).
    public var identities: [Identity]
    /// PEM file with the roots that client certificates must lead to (`tls.client_ca`).
    public var clientCA: String?
    /// `tls.client_auth`. Default: required with a `client_ca`, off without.
    public var clientAuthentication = ClientAuthentication.off

    public init(identities: [Identity]) { self.identities = identities }

    /// A certificate of the gateway's own.
    public struct Identity: Sendable, Equatable {
      /// PEM file with the certificate chain (`cert`).
      public var certificate: String
      /// PEM file with the private key (`key`).
      public var key: String

      public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
      }
    }

    public enum ClientAuthentication: String, Sendable, CaseIterable {
      case off, optional, required
    }

    /// All files that are read for it.
    public var files: [String] {
      identities.flatMap { [$0.certificate, $0.key] } + (clientCA.map { [$0] } ?? [])
    }
  }
}
