import Clusters
import Configuration
import Links
import MCP
import Reactor
import Translation
import UpstreamRequests
import Wire
import Workers

extension UpstreamMessages {
  /// Asks an upstream something on the gateway's own behalf, over an open legacy conversation or in the modern era.
  /// - Parameters:
  ///   - endpoint: of the cluster's; nil for that of the session, or the one that leads.
  ///   - timeout: nil for a listen, which has no end of its own.
  @discardableResult
  public func ask(
    _ cluster: Cluster, _ profile: Cluster.Profile, _ session: UpstreamSession?, _ method: Method,
    at endpoint: Int? = nil, members: [UInt8], timeout: UInt64?, _ call: LocalCall
  ) -> RequestID? {
    let endpoint = endpoint ?? session?.current?.endpoint ?? session?.endpoint ?? cluster.leader
    guard let request = requests.make(call, cluster, at: endpoint, method, timeout: timeout) else {
      call.complete(.failed("the gateway has too many calls in flight"))
      return nil
    }
    let id = request.id
    request.session = session
    request.revision = profile.revision
    var message = ByteBuffer(capacity: 512)
    if profile.revision.era == .modern {
      message.append(modernRequest: method, id: id.rawValue, members: members.rawBytes, meta: conversations.shared.meta)
    } else {
      var params = ByteBuffer()
      if !members.isEmpty {
        params.append("{")
        params.append(members)
        params.append("}")
      }
      message.append(request: method, id: id.rawValue, params: params.bytes)
    }
    if profile.revision.era == .modern, profile.transport == .streamableHTTP {
      var lines = ByteBuffer(capacity: 96)
      lines.append(header: .mcpProtocolVersion, profile.revision.label)
      lines.append(header: .mcpMethod, method.name)
      call.request = (lines.bytes.array, message.bytes.array)
      requests.writeHead(of: request, lines: lines.bytes, length: message.count)
      requests.post(request, message.bytes)
      return id
    }
    if profile.transport == .embedded {
      sendEmbedded(request, message.bytes, abilities: [])
      return id
    }
    if request.session == nil {
      let sessions = conversations.shared.sessions
      request.session =
        cluster.isolation == .shared
        ? sessions.shared(cluster, at: endpoint)
        : sessions.session(cluster, at: endpoint, .anonymous, abilities: [])
    }
    conversations.send(request, message.bytes, cluster, profile.speech)
    return id
  }
}
