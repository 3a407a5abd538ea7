import Configuration
import Reactor
import Workers

/// What new connections of each listener speak TLS with. Made whole or not at all, so that one bad file changes nothing.
public struct ListenerContexts: Sendable {
  private var byLabel: [UInt32: TLSContext] = [:]

  /// What keeps a listener from speaking TLS, for people.
  public struct Failure: Error {
    public let description: String
  }

  /// - Parameter old: those that these take the place of, whose tickets stay good.
  public init(_ listeners: GatewayConfiguration.Listeners, renewing old: ListenerContexts?) throws(Failure) {
    for (name, tls) in listeners.encrypted {
      guard let label = Self.labels[name] else { continue }
      do {
        byLabel[label] = try tls.context(renewing: old?[label])
      } catch {
        throw Failure(description: "listeners.\(name).tls: \(error)")
      }
    }
  }

  private init() {}

  /// No listener speaks TLS.
  public static let plain = ListenerContexts()

  /// nil: plain.
  subscript(label: UInt32) -> TLSContext? { byLabel[label] }

  private static let labels = [
    "http": ListenerLabel.http, "websocket": ListenerLabel.webSocket, "admin": ListenerLabel.admin,
  ]
}

extension GatewayConfiguration.Listeners.TLS {
  /// Reads the files.
  /// - Parameter old: the context that this one takes the place of.
  func context(renewing old: TLSContext?) throws(TLSContext.Failure) -> TLSContext {
    try TLSContext(
      identities: identities.map { ($0.certificate, $0.key) }, clientCA: clientCA,
      clientAuthentication: clientAuthentication.forReactor, renewing: old)
  }
}

extension GatewayConfiguration.Listeners.TLS.ClientAuthentication {
  fileprivate var forReactor: TLSContext.ClientAuthentication {
    switch self {
    case .off: .off
    case .optional: .optional
    case .required: .required
    }
  }
}
