internal import FoundationEssentials
public import Front

/// What an operator is answered.
public struct AdminReply {
  public enum Content {
    case whole([UInt8])
    /// Piece by piece, as the client takes them and the control loop has time for it.
    case stream(any AdminStream)
  }

  public var status: UInt16
  public var contentType: StaticString
  /// Further header lines, each with its CRLF.
  public var headers = ""
  public var content: Content

  public init(_ status: UInt16, _ contentType: StaticString, _ content: Content) {
    self.status = status
    self.contentType = contentType
    self.content = content
  }

  public static func text(_ status: UInt16, _ text: String) -> AdminReply {
    AdminReply(status, "text/plain; charset=utf-8", .whole(Array(text.utf8)))
  }

  /// A JSON document, its members in the order of their names.
  public static func json(
    _ value: some Encodable, status: UInt16 = 200, as contentType: StaticString = "application/json"
  ) -> AdminReply {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else {
      return .text(500, "the answer could not be written as JSON\n")
    }
    return AdminReply(status, contentType, .whole(Array(data)))
  }

  /// An error for programs (RFC 9457).
  public static func problem(_ problem: Problem) -> AdminReply {
    .json(problem, status: problem.status, as: "application/problem+json")
  }

  public func with(header name: StaticString, _ value: String) -> AdminReply {
    var reply = self
    reply.headers += "\(name): \(value)\r\n"
    return reply
  }
}

/// The details of an error (RFC 9457 section 3.1). Its type is `about:blank`: the status says what kind it is.
public struct Problem: Encodable, Equatable, Sendable {
  public var type = "about:blank"
  /// The phrase of the status.
  public var title: String
  public var status: UInt16
  /// A sentence for people, about this occurrence.
  public var detail: String?

  public init(_ status: UInt16, _ title: String, detail: String? = nil) {
    self.status = status
    self.title = title
    self.detail = detail
  }
}

/// A body that is made piece by piece, on the control loop.
public protocol AdminStream: AnyObject {
  /// Appends the next piece, 64 KiB at most. It is asked again only once the client has room for more.
  func next(_ piece: inout [UInt8]) -> AdminStep
  /// The client is gone before the end.
  func cancel()
}

/// What follows a piece.
public enum AdminStep: Equatable, Sendable {
  case more
  /// There is nothing to say for so long.
  case rest(milliseconds: UInt64)
  case end
}

/// Answers one kind of request, on the control loop and without waiting.
public typealias AdminHandler = (AdminRequest, any GatewayView) -> AdminReply
