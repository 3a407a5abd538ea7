/// On whose behalf a request is made: the subject of a verified client certificate, or nobody known.
public struct Principal: Hashable, Sendable {
  /// RFC 2253 form, or a digest of what a certificate without a subject says; empty for a client without a certificate.
  public let subject: String

  public static let anonymous = Principal(subject: "")
}
