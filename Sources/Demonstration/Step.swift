extension DemonstrationServer {
  /// What its host is to do next. The last `send` of a call is the response.
  public enum Step: Equatable, Sendable {
    /// A message to the client in the course of the call.
    case send([UInt8])
    /// Call `resumed` after that time.
    case resume(afterMilliseconds: UInt64)
  }
}
