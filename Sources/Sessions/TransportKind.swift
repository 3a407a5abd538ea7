/// How a client speaks.
public enum TransportKind: UInt8, Sendable {
  case streamableHTTP
  /// HTTP+SSE of 2024-11-05.
  case eventStream
  case webSocket
}
