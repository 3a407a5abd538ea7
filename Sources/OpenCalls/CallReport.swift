import MCP
import Wire

/// How a client's call ended: what whoever logs, counts or limits calls has to know of each. Every call has one.
public struct CallReport {
  public enum Ending {
    /// With a result.
    case answered
    /// With a result of a tool that says that it came to nothing.
    case toolFailed
    /// With the server's error.
    case refused(code: Int64)
    /// With an error of the gateway's own.
    case failed(GatewayError.Kind)
    /// Its client wants no answer any more, and gets none.
    case withdrawn
    /// Its client is gone.
    case abandoned
  }

  var ending: Ending
  var method: Method
  /// The upstream that it was carried to, or was to be.
  var server: String?
  /// The upstream may have acted on it.
  var wasSent: Bool
  var milliseconds: UInt64
}

extension CallReport: CustomStringConvertible {
  /// For people.
  public var description: String {
    let end =
      switch ending {
      case .answered: "was answered"
      case .toolFailed: "failed as its tool says"
      case .refused(let code): "was refused with \(code)"
      case .failed(let kind): "failed: \(kind)"
      case .withdrawn: "was cancelled"
      case .abandoned: "lost its client"
      }
    let place = server.map { wasSent ? ", sent to \($0)" : ", not sent to \($0)" } ?? ""
    return "\(method) \(end) after \(milliseconds) ms\(place)"
  }
}
