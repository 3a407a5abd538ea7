import MCP
import Sessions
import Wire
import Workers

/// What the calls of two loops say to each other, and what comes back to one from whoever looks after the servers.
public enum CallLetter: Sendable {
  /// The client of a session cancelled the request of that id.
  case cancel([UInt8], of: Session)
  /// A client's request is to be routed once more.
  case again(CallID, [UInt8])
  /// What was waited for is there, or its time is up.
  case goOn(UInt64)

  // A server's request outside of calls.
  /// Whose calls are on their way in its conversation, on this loop and those after it.
  case gather(OutsideQuestion, [OutsideRequest.Call])
  case gathered(OutsideQuestion, [OutsideRequest.Call])
  /// It goes to the client of that call.
  case ask(CallID, OutsideQuestion, isGuess: Bool)
  /// A human may be asked meanwhile.
  case grantInteraction(CallID)

  /// A client's response to a server's request, with the place of its id.
  case responded(ReverseID, Session, [UInt8], Slice)
  /// A client has said that to another process, in answer to this one.
  case said([UInt8], Session)
  /// What a client has settled with another process.
  case logLevelChanged(of: Session)
  case renew([[UInt8]], of: Session, isWanted: Bool)
}
