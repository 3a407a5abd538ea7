import Clusters
import MCP
import Reactor
import Wire
import Workers

/// Who gets a server's request that came on the stream of no call.
public struct OutsideRequest {
  /// A client's call on its way in the same conversation.
  public struct Call: Sendable, Equatable {
    public var id: CallID
    /// nil for a modern client's, which can't be asked.
    public var session: SessionID?

    public init(id: CallID, session: SessionID? = nil) {
      self.id = id
      self.session = session
    }
  }

  public enum Addressee: Equatable {
    /// The client of that call, in its course.
    case call(CallID)
    /// The client session whose conversation it is, on a stream of its own.
    case owner
    /// Nobody can be asked.
    case nobody
    /// It could be any of several clients.
    case unclear
  }

  /// - Parameters:
  ///   - owner: the client session whose conversation it is; nil if others may share it.
  ///   - isHeard: the owner has a stream of its own.
  public static func addressee(owner: SessionID?, isHeard: Bool, calls: [Call]) -> Addressee {
    guard let last = calls.last else { return owner != nil && isHeard ? .owner : .nobody }
    if calls.count > 1, owner != nil, isHeard { return .owner }
    guard last.session != nil else {
      if calls.contains(where: { $0.session != nil }) { return .unclear }
      // It can't be asked, but its call may fail for that.
      return calls.count == 1 ? .call(last.id) : .nobody
    }
    return calls.allSatisfy { $0.session == last.session } ? .call(last.id) : .unclear
  }
}

/// A server's request on its way to whoever can answer it.
public final class OutsideQuestion: Sendable {
  public let message: [UInt8]
  /// The conversation in which it came, and as what that was open.
  public let conversation: UpstreamSession
  public let opened: UpstreamSession.Open
  /// The loop on which it came.
  public let home: Int
  /// How often it may be looked for whoever can answer it.
  public let attempts: Int

  public init(
    _ message: [UInt8], _ conversation: UpstreamSession, _ opened: UpstreamSession.Open, home: Int, attempts: Int = 3
  ) {
    self.message = message
    self.conversation = conversation
    self.opened = opened
    self.home = home
    self.attempts = attempts
  }

  public func again(on home: Int) -> OutsideQuestion {
    OutsideQuestion(message, conversation, opened, home: home, attempts: attempts - 1)
  }
}
