import MCP

/// What to do with an upstream's response.
public enum ResponseOutcome: Sendable, Equatable {
  /// Write the splice: the edited message is the answer, with this HTTP status if it is the whole of it.
  case forward(status: Int)
  /// Answer with an error of the gateway's own.
  case replace(GatewayError)
  /// Answer with a tool result that says `isError`.
  case toolError(String)
  /// Mend the hop and send the request once more; if that has been done already, answer with the error.
  case recover(Recovery, otherwise: GatewayError)
}

public enum Recovery: Sendable, Equatable {
  /// The upstream found the mirrored headers wrong: its tools have changed.
  case relistTools
  /// The upstream does not speak this revision any more.
  case rediscover
}
