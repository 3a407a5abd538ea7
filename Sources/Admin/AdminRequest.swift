public import Wire

/// A request of an operator, taken out of the connection that it came on.
public struct AdminRequest: Sendable {
  public var method: HTTPMethod
  /// As it came, without the query.
  public var path: String
  /// What follows the question mark, as it came.
  public var query: String?
  /// The values of the route's named segments.
  public var parameters: [String: String] = [:]
  public var body: [UInt8] = []

  public init(_ method: HTTPMethod, _ path: String, query: String? = nil, body: [UInt8] = []) {
    self.method = method
    self.path = path
    self.query = query
    self.body = body
  }

  init(_ head: RequestHead, _ body: RawSpan) {
    var query: String?
    if let bytes = head.query { query = bytes.text }
    self.init(head.method, head.path.text, query: query, body: body.array)
  }
}
