import Workers

/// Tells the numbers of upstream requests from others.
public enum RequestName {}

/// Names an upstream request: the JSON-RPC id and the progress token toward the server.
public typealias RequestID = SlotID<RequestName>

/// Names a link of one worker.
public struct LinkReference: Sendable, Equatable, Hashable {
  public var worker: Int
  public var number: UInt32

  public init(worker: Int, number: UInt32) {
    self.worker = worker
    self.number = number
  }
}
