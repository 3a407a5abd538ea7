import Wire

/// What an array of messages holds (2025-03-26, basic): requests and notifications, or responses, never both.
public enum Batch: Sendable, Equatable {
  /// `requests` of the calls ask for an answer.
  case calls(requests: Int)
  case responses
  case reject(GatewayError)

  /// Looks at each element of an array body. `scanner` must not be the one whose envelope is in use.
  public static func classify(_ array: RawSpan, scanner: EnvelopeScanner) -> Batch {
    var requests = 0
    var calls = 0
    var responses = 0
    var items = JSON.items(of: array)
    while let item = items.next() {
      let envelope = scanner.scan(items.value(of: item))
      if let fault = GatewayError(fault: envelope) { return .reject(fault) }
      switch envelope.kind {
      case .request, .notification:
        guard envelope.method != .initialize else {
          return .reject(GatewayError(.invalidRequest, message: "Invalid request: initialize must not be in a batch"))
        }
        guard envelope.value(.protocolVersion as MetaKey) == nil else { return .reject(GatewayError(.batchNotAllowed)) }
        calls += 1
        if envelope.kind == .request { requests += 1 }
      case .result, .error: responses += 1
      case .batch, .invalid: return .reject(GatewayError(.invalidRequest))
      }
    }
    if items.isMalformed { return .reject(GatewayError(.parseError)) }
    guard calls + responses > 0 else {
      return .reject(GatewayError(.invalidRequest, message: "Invalid request: an empty batch"))
    }
    guard calls == 0 || responses == 0 else {
      return .reject(GatewayError(.invalidRequest, message: "Invalid request: calls and responses in one batch"))
    }
    return calls > 0 ? .calls(requests: requests) : .responses
  }
}
