import Clusters
import Configuration
import Delivery
import MCP
import OpenCalls
import SessionStore
import Sessions
import UpstreamClient
import Wire
import Workers

/// What clients of sessions send beside single requests: batches, and notifications.
public final class ClientMessages {
  private let context: CallsContext
  private let clients: ClientCalls
  private let answers: Answers
  private let methods: Methods
  private let forwarding: Forwarding
  private let reverse: ReverseRequests
  /// Whether a message of a batch may begin what it is.
  var judge: (Arrival) -> Admission.Decision = { _ in .admit }

  init(
    _ context: CallsContext, _ clients: ClientCalls, _ answers: Answers, _ methods: Methods, _ forwarding: Forwarding,
    _ reverse: ReverseRequests
  ) {
    self.context = context
    self.clients = clients
    self.answers = answers
    self.methods = methods
    self.forwarding = forwarding
    self.reverse = reverse
  }

  /// A JSON-RPC batch, which only a session of 2025-03-26 may send. Each of its messages is begun, or refused, by itself.
  public func serveBatch(_ reply: ReplyTo, _ session: Session, _ message: RawSpan, over transport: TransportKind) {
    guard session.revision.hasBatches else { return refuse(reply, GatewayError(.batchNotAllowed)) }
    let elements = JSON.elements(of: message)
    let most = context.settings.configuration.limits.batch
    guard elements.count <= most else {
      return refuse(
        reply, GatewayError(.invalidRequest, message: "Invalid request: more than \(most) messages in a batch"))
    }
    let envelopes = context.worker.requestScanner
    func refusal(of envelope: Envelope) -> GatewayError? {
      let arrival = Arrival(
        kind: Arrival.Kind(envelope), transport: transport, connection: reply.connection, session: session)
      if case .refuse(let error) = judge(arrival) { return error }
      return nil
    }
    switch MCP.Batch.classify(message, scanner: envelopes) {
    case .reject(let error):
      refuse(reply, error)
    case .responses:
      self.transport(reply).accept(reply)
      for element in elements {
        let envelope = envelopes.scan(element.rawBytes)
        if refusal(of: envelope) == nil { reverse.clientResponded(session, envelope) }
      }
    case .calls(let requests):
      if requests == 0 { self.transport(reply).accept(reply) }
      let batch = AnswerBatch(
        reply, session, self.transport(reply), limit: context.settings.resultLimit, requests: requests)
      var position = 0
      for element in elements {
        let envelopes = context.worker.requestScanner
        let envelope = envelopes.scan(element.rawBytes, depth: context.settings.depth)
        let refusal = refusal(of: envelope)
        guard envelope.kind == .request else {
          if refusal == nil { notified(session, envelope) }
          continue
        }
        let element = reply.element(position)
        position += 1
        if let refusal {
          answers.refuse(element, session, refusal, envelope, .legacy, batch)
        } else {
          methods.serve(element, session, session.view, envelope, session.revision, batch: batch)
        }
      }
    }
  }

  private func transport(_ reply: ReplyTo) -> any ClientTransport { context.delivery.transport(reply) }

  private func refuse(_ reply: ReplyTo, _ error: GatewayError) {
    transport(reply).refuse(reply, error, id: nil, .legacy, of: nil)
  }

  /// A notification.
  public func notified(_ session: Session, _ envelope: Envelope) {
    switch envelope.method {
    case .notifyCancelled:
      guard let requestID = envelope.value(Param.requestID) else { return }
      clients.cancel(of: session, requestID.array)
      reverse.passBack(envelope.message, of: session)
    case .notifyRootsListChanged:
      relayToUpstreams(of: session, envelope.message)
    case .notifyProgress:
      // On what a server asked of the client; it keeps its token, so it can go to the session's own conversations.
      relayToUpstreams(of: session, envelope.message)
      reverse.passBack(envelope.message, of: session)
    case .other:
      forwarding.notify(session, session.view, envelope, session.revision, from: session.party)
    default:
      break
    }
  }

  /// A notification for every conversation that is this session's own.
  private func relayToUpstreams(of session: Session, _ message: RawSpan) {
    for (binding, open) in session.openUpstreams where open.revision.era == .legacy {
      context.body.clear()
      context.body.buffer.append(flattened: message)
      context.upstream.messages.tell(context.body.bytes(of: self), binding.cluster, open)
    }
  }
}
