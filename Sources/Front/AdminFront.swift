import MCP
import Reactor
import Translation
import Wire
import Workers

/// The admin listener, on the control loop: what passes its policy goes to the service behind it.
public final class AdminFront {
  private let context: WorkerContext
  private let service: any AdminService
  private var origins: OriginPolicy

  public init(_ context: WorkerContext, _ service: any AdminService) {
    self.context = context
    self.service = service
    origins = OriginPolicy.ofAdmin(context.settings)
  }

  /// The configuration was read again.
  public func adopt(_ settings: Settings) { origins = OriginPolicy.ofAdmin(settings) }

  public func request(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    if let refusal = origins.check(head) { return refuse(connection, refusal) }
    context.loop.setTag(connection, TagKind.admin.tag())
    service.serve(head, body, over: AdminConnection(connection, context))
  }

  public func drained(_ connection: ConnectionID) { service.drained(connection) }

  public func ended(_ connection: ConnectionID) { service.ended(connection) }

  /// No JSON-RPC is spoken here.
  private func refuse(_ connection: ConnectionID, _ error: GatewayError) {
    context.body.clear()
    context.body.buffer.append(error.message ?? "refused")
    context.body.buffer.append("\n")
    let status = UInt16(error.answer(to: .legacy).status)
    context.loop.reply(
      connection, EventLoop.ReplyHead(status, "text/plain; charset=utf-8", headers: RawSpan()),
      context.body.bytes(of: self))
  }
}
