package import Gateway
package import Reactor
package import Wire

/// What operators ask on the admin listener: is it alive, may it get traffic.
package final class AdminServer: AdminService {
  private let state: GatewayState

  package init(_ state: GatewayState) {
    self.state = state
  }

  package func serve(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan, on worker: Worker) {
    guard head.method == .get || head.method == .head else {
      return reply(connection, 405, "method not allowed\n", on: worker, headers: "Allow: GET, HEAD\r\n")
    }
    let path = head.path.withoutLastSlash
    if path.equals("/healthz") || path.equals("/livez") {
      reply(connection, 200, "ok\n", on: worker)
    } else if path.equals("/readyz") {
      if state.isDraining {
        reply(connection, 503, "draining\n", on: worker)
      } else if !state.isReady {
        reply(connection, 503, "no server has answered yet\n", on: worker)
      } else {
        reply(connection, 200, "ready\n", on: worker)
      }
    } else if path.equals("/metrics") {
      var text = ByteBuffer(capacity: 4096)
      text.append(MetricsPage(state).text)
      worker.reply(connection, 200, "text/plain; version=0.0.4; charset=utf-8", headers: RawSpan(), text.bytes)
    } else {
      reply(connection, 404, "not found; here are /healthz, /livez, /readyz and /metrics\n", on: worker)
    }
  }

  private func reply(
    _ connection: ConnectionID, _ status: UInt16, _ text: StaticString, on worker: Worker, headers: StaticString = ""
  ) {
    worker.reply(connection, status, "text/plain; charset=utf-8", headers: headers.bytes, text.bytes)
  }
}
