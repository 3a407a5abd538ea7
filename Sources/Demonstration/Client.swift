import MCP

extension DemonstrationServer {
  /// Who calls. What a modern client can do stands in its request, so `abilities` counts for legacy ones alone.
  public struct Client: Sendable {
    public var revision: Revision
    public var abilities: ClientCapabilities

    public init(revision: Revision, abilities: ClientCapabilities) {
      self.revision = revision
      self.abilities = abilities
    }
  }
}
