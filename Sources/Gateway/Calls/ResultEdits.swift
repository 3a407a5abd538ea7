import MCP
import Wire

/// How an upstream's response changes on its way to the client.
enum ResultEdits {
  enum Outcome {
    /// The message is written; the HTTP status it goes out with if it is the whole answer.
    case written(status: UInt16)
    case failure(GatewayError)
  }

  /// The client's revision is so old that members deep inside the result must go: it has to be whole for that.
  static func needsWhole(_ exchange: borrowing Exchange) -> Bool {
    exchange.clientRevision < .r20250618 && exchange.serverRevision >= .r20250618
  }

  /// What changes in a result that streams through.
  static func describe(_ edits: inout ResponseEdits, _ exchange: borrowing Exchange) {
    switch (exchange.clientRevision.era, exchange.serverRevision.era) {
    case (.legacy, .modern):
      edits.removeFromResult = ResultSet(.resultType, .ttlMs, .cacheScope)
      edits.removeFromMeta = MetaSet(.serverInfo, .subscriptionID)
    case (.modern, .legacy):
      edits.insertIntoResult.append("\"resultType\":\"complete\"")
      if exchange.method == .resourcesRead { edits.insertIntoResult.append(",\"ttlMs\":0,\"cacheScope\":\"private\"") }
      appendStamp(to: &edits.insertIntoMeta)
    case (.modern, .modern):
      edits.removeFromMeta = MetaSet(.serverInfo)
      appendStamp(to: &edits.insertIntoMeta)
    case (.legacy, .legacy):
      break
    }
  }

  private static func appendStamp(to buffer: inout ByteBuffer) {
    buffer.append("\"io.modelcontextprotocol/serverInfo\":")
    buffer.append(GatewayState.identity)
  }

  /// Writes the response for the client.
  static func write(
    _ exchange: borrowing Exchange, _ envelope: Envelope, splice: inout Splice, into output: inout ByteBuffer
  ) -> Outcome {
    if envelope.kind == .error { return writeError(exchange, envelope, splice: &splice, into: &output) }
    if exchange.clientRevision.era == .legacy, exchange.serverRevision.era == .modern,
      let type = envelope.value(ResultKey.resultType), !JSON.isString(type, "complete")
    {
      guard let alias = exchange.cluster?.alias, JSON.isString(type, "input_required") else {
        return .failure(GatewayError(.upstreamInvalid, message: "the server sent an unknown kind of result"))
      }
      let asked = askedFor(envelope)
      return .failure(
        GatewayError(
          .notAcrossEras,
          message: "server \"\(alias)\" asked for \(asked), which is not relayed between protocol eras yet",
          server: alias))
    }
    if exchange.clientRevision.era == exchange.serverRevision.era, exchange.clientRevision.era == .legacy {
      splice.reset()
      if let place = envelope.idSlice {
        splice.replace(place) { exchange.clientID.append(to: &$0) }
        if splice.write(envelope.message, into: &output) { return .written(status: 200) }
      }
    }
    var edits = ResponseEdits()
    exchange.clientID.append(to: &edits.id)
    describe(&edits, exchange)
    let rewriter = ResponseRewriter(edits)
    guard case .complete = rewriter.feed(envelope.message, into: &output) else {
      return .failure(GatewayError(.upstreamInvalid, message: "the server's result could not be read"))
    }
    return .written(status: 200)
  }

  /// The methods that an `input_required` result names.
  private static func askedFor(_ envelope: Envelope) -> String {
    guard let requests = envelope.value(ResultKey.inputRequests) else { return "another round" }
    var items = JSON.items(of: requests)
    var methods: Set<String> = []
    while let item = items.next() {
      if let method = JSON.find("method", in: items.value(of: item)), let text = JSON.string(method) {
        methods.insert(text)
      }
    }
    return methods.isEmpty ? "another round" : methods.sorted().joined(separator: ", ")
  }

  private static func writeError(
    _ exchange: borrowing Exchange, _ envelope: Envelope, splice: inout Splice, into output: inout ByteBuffer
  ) -> Outcome {
    output.append("{\"jsonrpc\":\"2.0\",\"id\":")
    exchange.clientID.append(to: &output)
    output.append(",\"error\":")
    if let error = envelope.error { output.append(error) }
    output.append("}")
    guard exchange.clientRevision.era == .modern, let code = envelope.errorCode else { return .written(status: 200) }
    switch code {
    case -32601: return .written(status: 404)
    case -32600, -32700, -32020, -32021, -32022: return .written(status: 400)
    default: return .written(status: 200)
    }
  }
}
