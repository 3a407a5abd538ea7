import MCP

extension Identity {
  /// What the gateway calls itself.
  public static let gateway = Identity(name: "sluice", version: SluiceVersion.current)
}
