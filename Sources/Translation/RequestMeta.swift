import MCP
import Wire

/// What the gateway says of itself in each request to a modern upstream, encoded once. An object, so that a call that
/// is handed one counts a single reference.
public final class RequestMeta: Sendable {
  /// The members that a request of a legacy client lacks: version, client info, capabilities, perhaps a log level.
  public let all: [UInt8]
  /// The member that replaces a modern client's own.
  public let clientInfo: [UInt8]

  /// `capabilities` is what the upstream may ask for: nothing for a legacy client, since what it would ask does not
  /// cross the eras.
  public init(_ identity: Identity, capabilities: ClientCapabilities = [], logLevel: LogLevel? = nil) {
    var buffer = ByteBuffer()
    buffer.append(#""io.modelcontextprotocol/clientInfo":"#)
    buffer.append(identity)
    clientInfo = buffer.bytes.array
    buffer.append(#","io.modelcontextprotocol/protocolVersion":""#)
    buffer.append(Revision.newest.label)
    buffer.append(#"","io.modelcontextprotocol/clientCapabilities":"#)
    buffer.append(capabilities, for: .newest)
    if let logLevel {
      buffer.append(#","io.modelcontextprotocol/logLevel":""#)
      buffer.append(logLevel.label)
      buffer.append("\"")
    }
    all = buffer.bytes.array
  }
}
