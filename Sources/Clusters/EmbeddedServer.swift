import Demonstration
import MCP
import Wire

/// The demonstration server inside this process, as the gateway knows its upstreams.
public enum EmbeddedServer {
  public static func offer(alias: String) -> ServerOffer {
    var offer = ServerOffer(alias: alias, capabilities: DemonstrationServer.capabilities)
    var instructions = ByteBuffer()
    instructions.append(quoted: DemonstrationServer.instructions.bytes)
    offer.instructions = instructions.bytes.array
    return offer
  }
}
