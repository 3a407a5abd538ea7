import Clusters
import MCP
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// What the gateway asks upstreams on its own behalf.
public final class UpstreamQuestions: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop

  public init(_ loop: ControlLoop) { self.loop = loop }

  /// A JSON-RPC response, result or error.
  public func ask(
    _ cluster: Cluster, _ binding: UpstreamSession?, _ profile: Cluster.Profile, _ method: Method, _ members: [UInt8],
    _ timeout: UInt64? = nil
  ) async throws(UpstreamFailure) -> [UInt8] {
    let timeout = timeout ?? loop.settings.callTimeout
    let latest = loop.now + timeout
    switch await outcome(cluster, profile, binding, method, members, timeout) {
    case .message(let bytes, _, _): return bytes
    case .status(let refusal, _):
      throw UpstreamFailure(
        "\(method.name.text): \(refusal.text)", refusal.status == 429 || refusal.status >= 500 ? .passing : .unavailable
      )
    case .failed(let why):
      throw UpstreamFailure("\(method.name.text): \(why)", loop.now >= latest ? .passing : .unavailable)
    }
  }

  func outcome(
    _ cluster: Cluster, _ profile: Cluster.Profile, _ binding: UpstreamSession?, _ method: Method,
    _ members: [UInt8], _ timeout: UInt64
  ) async -> LocalCall.Outcome {
    await withCheckedContinuation { continuation in
      let call = LocalCall { continuation.resume(returning: $0) }
      loop.upstream.messages.ask(
        cluster, profile, binding, method, members: members, timeout: timeout, call)
    }
  }
}
