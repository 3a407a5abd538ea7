import Reactor

/// Where the answer to what a client has sent goes: 16 bytes that say over what it came.
public struct ReplyTo: Equatable, Sendable, BitwiseCopyable {
  /// How that client is spoken to.
  enum Kind: UInt8, Sendable, BitwiseCopyable {
    /// Nobody waits for it.
    case nobody
    /// The POST on that connection, or whatever else was asked there.
    case post
    /// The stream of an HTTP+SSE session, wherever that is read; what was sent has been taken with 202.
    case eventStream
    case socket
  }

  public let connection: ConnectionID
  /// Which answer of a batch it is; `.max` for what came by itself.
  private var element: UInt32 = .max
  let kind: Kind
  /// The message came as binary over a WebSocket, and so goes its answer.
  private(set) var isBinary = false

  private init(_ kind: Kind, _ connection: ConnectionID) {
    self.kind = kind
    self.connection = connection
  }

  public static var nobody: ReplyTo { ReplyTo(.nobody, .none) }
  public static var eventStream: ReplyTo { ReplyTo(.eventStream, .none) }
  public static func post(_ connection: ConnectionID) -> ReplyTo { ReplyTo(.post, connection) }

  public static func socket(_ connection: ConnectionID, isBinary: Bool = false) -> ReplyTo {
    var reply = ReplyTo(.socket, connection)
    reply.isBinary = isBinary
    return reply
  }

  /// The place of its answer in a batch; nil for what came by itself.
  public var place: Int? { element == .max ? nil : Int(element) }

  /// An element of the batch that came there.
  public func element(_ place: Int) -> ReplyTo {
    var reply = self
    reply.element = UInt32(place)
    return reply
  }

  /// The same for what answers nothing: it goes as text.
  var unasked: ReplyTo {
    var reply = self
    reply.isBinary = false
    return reply
  }

  public var isPost: Bool { if case .post = kind { true } else { false } }

  /// The WebSocket, if it is one.
  public var socket: ConnectionID? { if case .socket = kind { connection } else { nil } }
}
