/// Names a session by 128 random bits, and says which worker keeps it in this process. What a client sends is a
/// `SessionTicket`.
public struct SessionID: Sendable, Hashable {
  /// The 16 random bytes.
  public let high: UInt64
  public let low: UInt64
  /// No part of the name: in another process it is another one.
  public let worker: UInt8

  /// A new one, from the system's generator.
  public init(worker: UInt8) {
    self.init(high: .random(in: .min ... .max), low: .random(in: .min ... .max), worker: worker)
  }

  public init(high: UInt64, low: UInt64, worker: UInt8) {
    self.high = high
    self.low = low
    self.worker = worker
  }

  /// The same session, kept by another worker.
  public func kept(by worker: UInt8) -> SessionID { SessionID(high: high, low: low, worker: worker) }

  public static func == (a: SessionID, b: SessionID) -> Bool { a.high == b.high && a.low == b.low }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(high)
    hasher.combine(low)
  }
}
