import Clusters
import ConfigurationSyntax
import Links
import Reactor
import Wire
import Workers

/// Messages to HTTP+SSE servers, each POSTed by itself; what they bring comes on the stream of their link.
public final class LinkPosts {
  private let context: WorkerContext
  private let requests: Requests
  private let memory: RequestMemory

  public init(_ requests: Requests) {
    context = requests.context
    self.requests = requests
    memory = requests.memory
  }

  public func post(_ message: RawSpan, _ call: RequestID?, to link: Link) {
    let owner = UpstreamRequest.Owner.message(of: call ?? .none, link.reference)
    let count: RequestCount = call == nil ? .aside : .none
    guard let request = requests.make(owner, link.cluster, at: link.endpoint.index, as: count) else { return }
    request.deadline = context.now + context.settings.callTimeout
    post(request, message, to: link)
  }

  private func post(_ request: UpstreamRequest, _ message: RawSpan, to link: Link) {
    let reader = requests.takeReader()
    request.reader = reader
    memory.keep(message, of: request, in: reader)
    let start = link.requestHead
    requests.writeHead(start.rawBytes, length: message.byteCount)
    requests.post(request, message)
  }

  /// What an HTTP+SSE server said to the POST of a message, which is of no interest unless it did not take it: then no
  /// answer will come on its stream.
  public func taken(_ request: UpstreamRequest, _ reader: ResponseReader, _ cluster: Cluster) {
    let status = reader.status
    guard status >= 300, case .message(let call, let reference) = request.owner,
      let link = requests.links.find(reference)
    else { return requests.end(request) }
    if var url = link.endpoint.currentURL, let target = link.postTarget {
      url.target = target
      let location = String(decoding: reader.location, as: UTF8.self)
      switch Redirect.of(status: status, location: location, from: url, followed: request.redirects) {
      case .follow(let target): return follow(request, reader, link, to: target)
      case .refuse(let why): return requests.fail(request, .refused(cluster, why))
      case nil: break
      }
    }
    guard call != .none else { return requests.end(request) }
    guard status == 400 || status == 404 else {
      return requests.fail(request, .refused(cluster, "HTTP \(status)", retryAfter: reader.retryAfter))
    }
    // Its sessions are its streams, and what it has to say of a message it says there: it does not know this one any more.
    let message = reader.kept
    requests.end(request)
    link.leave()
    requests.links.failed(call, reference, .forgotten(status: status, message))
  }

  private func follow(_ request: UpstreamRequest, _ reader: ResponseReader, _ link: Link, to target: String) {
    request.redirects += 1
    link.move(to: target)
    let message = reader.kept
    requests.giveBack(reader)
    request.reader = nil
    guard let message else { return requests.fail(request, .moved(link.cluster)) }
    post(request, message.rawBytes, to: link)
  }
}
