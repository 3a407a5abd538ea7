import Configuration
import Wire

/// An HTTP answer of an upstream that brings no message: its status, and what its head says of why.
public struct HTTPRefusal: Sendable {
  public let status: Int
  /// Of the body, as it was sent.
  public private(set) var mediaType: String?
  /// What `WWW-Authenticate` asks for.
  private(set) var challenge: String?
  /// Where a redirect leads.
  private(set) var location: String?
  /// Whether the gateway was told what to show.
  public var hasCredentials = false

  /// Bytes of a header line that are shown: it is the server's word, and goes into logs.
  private static let shown = 300

  public init(status: Int, mediaType: [UInt8]? = nil, challenge: [UInt8]? = nil, location: [UInt8]? = nil) {
    self.status = status
    self.mediaType = Self.text(mediaType)
    self.challenge = Self.text(challenge)
    self.location = Self.text(location)
  }

  init(_ head: ResponseHead) {
    self.init(
      status: head.status, mediaType: head.header(.contentType)?.array, challenge: head.header(.wwwAuthenticate)?.array,
      location: head.header(.location)?.array)
  }

  private static func text(_ bytes: [UInt8]?) -> String? {
    guard let bytes, !bytes.isEmpty else { return nil }
    let text = String(decoding: bytes.prefix(shown).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
    return bytes.count > shown ? text + "…" : text
  }

  /// What is wrong, for people.
  public var text: String {
    switch status {
    case 200..<300:
      guard let mediaType else {
        return "it answered HTTP \(status) without a Content-Type, where JSON or an event stream is due"
      }
      guard !mediaType.lowercased().hasPrefix("application/json") else {
        return "it answered HTTP \(status) without a message"
      }
      let isPage = mediaType.lowercased().hasPrefix("text/html")
      return "it answered HTTP \(status) with \(mediaType), where JSON or an event stream is due"
        + (isPage ? ": is it a page to log in at, or another path?" : "")
    case 300..<400:
      return location.map { "it redirects (HTTP \(status)) to \($0), which is not followed" }
        ?? "it redirects (HTTP \(status)) without saying where to"
    case 401, 403:
      let none = hasCredentials ? "" : ", of which none are configured (`headers`)"
      return "it does not accept the gateway's credentials\(none) (HTTP \(status))"
        + (challenge.map { "; it asks for: \($0)" } ?? "")
    default: return "it answered HTTP \(status)"
    }
  }
}

extension Cluster {
  /// Whether the configuration has headers for it, where credentials go.
  public var hasHeaders: Bool { first.hasHeaders }

  public func refusal(_ head: ResponseHead) -> HTTPRefusal {
    var refusal = HTTPRefusal(head)
    refusal.hasCredentials = hasHeaders
    return refusal
  }
}
