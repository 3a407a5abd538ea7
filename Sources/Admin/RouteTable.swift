public import Wire

/// What is served under which method and path, without any I/O.
///
/// A pattern is a path whose segments are literal, or named in braces and then take any one segment that is not empty:
/// `/api/clients/{id}`. The first route that fits wins, so literal ones are added before named ones.
public struct RouteTable<Handler> {
  private struct Route {
    var method: HTTPMethod
    var pattern: [Segment]
    var handler: Handler
  }

  private enum Segment {
    case literal(String)
    case named(String)

    init(_ text: Substring) {
      self =
        text.hasPrefix("{") && text.hasSuffix("}")
        ? .named(String(text.dropFirst().dropLast())) : .literal(String(text))
    }
  }

  public enum Match {
    /// The values of the named segments, decoded.
    case found(Handler, parameters: [String: String])
    /// The path is there for other methods: the value of `Allow` (RFC 9110 section 10.2.1).
    case wrongMethod(allowed: String)
    case unknown
  }

  private var routes: [Route] = []
  /// The patterns as they were added, each once.
  public private(set) var paths: [String] = []

  public init() {}

  /// - Parameter method: `.get` serves HEAD as well.
  public mutating func add(_ method: HTTPMethod, _ path: String, _ handler: Handler) {
    routes.append(Route(method: method, pattern: Self.segments(of: path[...]).map(Segment.init), handler: handler))
    if !paths.contains(path) { paths.append(path) }
  }

  /// - Parameter path: as it came in the request line, without its query. A slash at its end is no part of it.
  public func match(_ method: HTTPMethod, _ path: String) -> Match {
    let segments = Self.segments(of: path.count > 1 && path.hasSuffix("/") ? path.dropLast() : path[...])
    let wanted = method == .head ? .get : method
    var allowed: [HTTPMethod] = []
    for route in routes {
      guard let parameters = Self.parameters(segments, route.pattern) else { continue }
      if route.method == wanted { return .found(route.handler, parameters: parameters) }
      if !allowed.contains(route.method) { allowed.append(route.method) }
    }
    return allowed.isEmpty ? .unknown : .wrongMethod(allowed: Self.list(allowed))
  }

  private static func segments(of path: Substring) -> [Substring] {
    path.split(separator: "/", omittingEmptySubsequences: false)
  }

  private static func parameters(_ segments: [Substring], _ pattern: [Segment]) -> [String: String]? {
    guard segments.count == pattern.count else { return nil }
    var parameters: [String: String] = [:]
    for (segment, expected) in zip(segments, pattern) {
      switch expected {
      case .literal(let text): guard segment == text else { return nil }
      case .named(let name):
        guard let value = PercentEncoding.decoded(segment), !value.isEmpty else { return nil }
        parameters[name] = value
      }
    }
    return parameters
  }

  private static func list(_ methods: [HTTPMethod]) -> String {
    methods.map { $0 == .get ? "GET, HEAD" : $0.name }.joined(separator: ", ")
  }
}

/// The encoding of URIs (RFC 3986 section 2.1).
enum PercentEncoding {
  /// Nil for what ends within an escape, has one that is not hexadecimal, or is no UTF-8 afterwards.
  static func decoded(_ text: Substring) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}

extension HTTPMethod {
  fileprivate var name: String {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .delete: "DELETE"
    case .options: "OPTIONS"
    case .patch: "PATCH"
    case .connect: "CONNECT"
    case .trace: "TRACE"
    case .other: ""
    }
  }
}
