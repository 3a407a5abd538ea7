import Reactor

/// On whose behalf a request is made: the subject of a verified client certificate, or nobody known.
struct Principal: Hashable, Sendable {
  /// RFC 2253 form, or a digest of what a certificate without a subject says; empty for a client without a certificate.
  let subject: String

  static let anonymous = Principal(subject: "")
}

extension Worker {
  func principal(of connection: ConnectionID) -> Principal {
    loop.subject(of: connection).map(Principal.init(subject:)) ?? .anonymous
  }

  /// Whose listen it is.
  func principal(of path: ReplyPath) -> Principal {
    switch path {
    case .post(let connection): principal(of: connection)
    case .socket(let reply): principal(of: reply.connection)
    }
  }

  /// Whose call it is.
  func principal(of exchange: Exchange) -> Principal {
    if let session = exchange.session { return session.principal }
    switch exchange.origin {
    case .post(let connection): return principal(of: connection)
    case .socket(let reply): return principal(of: reply.connection)
    case .notice(let sender): return sender.party.principal
    default: return .anonymous
    }
  }
}
