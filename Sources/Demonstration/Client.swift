import MCP

extension DemonstrationServer {
  /// Who calls. What a modern client can do stands in its request, so `abilities` counts for legacy ones alone.
  package struct Client: Sendable {
    package var revision: Revision
    package var abilities: ClientCapabilities

    package init(revision: Revision, abilities: ClientCapabilities) {
      self.revision = revision
      self.abilities = abilities
    }
  }
}
