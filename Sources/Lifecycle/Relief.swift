/// What a process that takes another's place needs before it may: until then the other one serves.
public struct Relief: Sendable {
  /// The servers that answer there, by alias. Those that are not configured here are no obstacle.
  var servers: [String]
  /// How long they are waited for, in milliseconds.
  var patience: UInt64
  /// Called once, on the control loop, instead of letting clients in: it is time for that (`Gateway.letClientsIn`).
  public var met: @Sendable () -> Void
  /// Called once instead of that, with the servers that do not answer here.
  var gaveUp: @Sendable ([String]) -> Void

  public init(
    servers: [String], patience: UInt64, met: @escaping @Sendable () -> Void,
    gaveUp: @escaping @Sendable ([String]) -> Void
  ) {
    self.servers = servers
    self.patience = patience
    self.met = met
    self.gaveUp = gaveUp
  }
}
