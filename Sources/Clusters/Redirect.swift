import ConfigurationSyntax

/// What a redirect of an upstream comes to. Followed is only what keeps the method and the body (RFC 9110 sections 15.4.8
/// and 15.4.9) and stays on the same origin, since the configured headers must not go anywhere else.
public enum Redirect: Equatable {
  /// The path and query to ask from now on.
  case follow(target: String)
  /// Why not, for people, and what they can do.
  case refuse(String)

  /// The most that are followed of one request.
  static let most = 3

  /// Nil if the status is none of a redirect.
  /// - Parameters:
  ///   - location: the field of that name; empty without one.
  ///   - url: what was asked.
  ///   - followed: how many redirects led there.
  public static func of(status: Int, location: String, from url: EndpointURL, followed: Int) -> Redirect? {
    guard [301, 302, 303, 307, 308].contains(status) else { return nil }
    guard let other = resolve(location, from: url) else {
      return .refuse("it redirects (HTTP \(status)) without a URL that could be asked")
    }
    let advice = "configure `url: \(other.masked())` if that is meant"
    guard other.scheme == url.scheme, other.host == url.host, other.port == url.port else {
      return .refuse("it redirects (HTTP \(status)) to another origin, which is not followed; \(advice)")
    }
    guard status == 307 || status == 308 else {
      return .refuse("it redirects with HTTP \(status), which would make a GET of a POST; \(advice)")
    }
    guard followed < most, other.target != url.target else {
      return .refuse("its redirects (HTTP \(status)) go on; the last one leads to \(other.masked())")
    }
    return .follow(target: other.target)
  }

  /// A reference as RFC 3986 section 5.2 has it, without dot segments.
  private static func resolve(_ location: String, from url: EndpointURL) -> EndpointURL? {
    let origin = "\(url.scheme.rawValue)://\(url.authority)"
    let text: String
    if location.isEmpty {
      return nil
    } else if location.hasPrefix("//") {
      text = "\(url.scheme.rawValue):\(location)"
    } else if location.hasPrefix("/") {
      text = origin + location
    } else if DotSegments.hasScheme(location) {
      text = location
    } else {
      let path = url.target.prefix { $0 != "?" }
      let folder = location.hasPrefix("?") ? path : path[...(path.lastIndex(of: "/") ?? path.startIndex)]
      text = origin + folder + location
    }
    guard var url = try? EndpointURL(parsing: text) else { return nil }
    url.target = DotSegments.removed(from: url.target)
    return url
  }
}
