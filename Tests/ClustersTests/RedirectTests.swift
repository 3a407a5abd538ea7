import ConfigurationSyntax
import Testing

@testable import Clusters

@Suite("A redirect of an upstream")
struct RedirectTests {
  private func redirect(
    _ status: Int, _ location: String, from url: String = "https://h.example/a/mcp?key=1", followed: Int = 0
  ) throws -> Redirect? {
    Redirect.of(status: status, location: location, from: try EndpointURL(parsing: url), followed: followed)
  }

  private func refusal(_ redirect: Redirect?) -> String? {
    if case .refuse(let reason) = redirect { reason } else { nil }
  }

  @Test(
    "that keeps the method and stays on the origin is followed",
    arguments: [
      ("/mcp/", "/mcp/"), ("/mcp?x=1", "/mcp?x=1"), ("mcp/", "/a/mcp/"), ("?y", "/a/mcp?y"),
      ("https://h.example/b", "/b"), ("https://h.example:443/b", "/b"), ("//h.example/b", "/b"),
      ("HTTPS://H.EXAMPLE/b", "/b"), ("../x", "/x"), ("./x/../y?z=../1", "/a/y?z=../1"), ("/b/../../c/.", "/c/"),
      ("https://h.example/b/./c/..", "/b/"), ("../../..", "/"), ("..", "/"), (".", "/a/"),
      ("b?u=http://x/../", "/a/b?u=http://x/../"),
      ("/a//../b", "/a/b"), ("/.../..x/x../.x", "/.../..x/x../.x"),
    ])
  func followed(location: String, target: String) throws {
    for status in [307, 308] { #expect(try redirect(status, location) == .follow(target: target)) }
  }

  @Test(
    "to another origin is refused, and says what to configure",
    arguments: [
      ("http://h.example/mcp", "http://h.example/mcp"), ("https://h.example:444/mcp", "https://h.example:444/mcp"),
      ("//other.example/mcp", "https://other.example/mcp"),
      ("https://h.example.evil/mcp", "https://h.example.evil/mcp"),
    ])
  func elsewhere(location: String, url: String) throws {
    let reason = try #require(refusal(try redirect(308, location)))
    #expect(reason.contains("another origin") && reason.contains("`url: \(url)`"))
  }

  @Test("that would make a GET of a POST is refused", arguments: [301, 302, 303])
  func otherMethod(status: Int) throws {
    let reason = try #require(refusal(try redirect(status, "/mcp/")))
    #expect(reason.contains("HTTP \(status)") && reason.contains("`url: https://h.example/mcp/`"))
  }

  @Test(
    "that leads nowhere is refused",
    arguments: ["", "https://", "ftp://h.example/x", "https://u:p@h.example/x", "/\n", "mailto:a@b"]
  )
  func nowhere(location: String) throws {
    #expect(refusal(try redirect(307, location))?.contains("without a URL") == true)
  }

  @Test("is refused where it leads back to itself, or after too many")
  func endless() throws {
    #expect(refusal(try redirect(307, "/a/mcp?key=1"))?.contains("go on") == true)
    #expect(try redirect(307, "/b", followed: Redirect.most - 1) == .follow(target: "/b"))
    #expect(refusal(try redirect(307, "/b", followed: Redirect.most))?.contains("go on") == true)
  }

  @Test("is none with another status", arguments: [200, 204, 300, 304, 305, 400, 404])
  func others(status: Int) throws {
    #expect(try redirect(status, "/mcp/") == nil)
  }

  @Test("shows no key that stands in its URL")
  func secrets() throws {
    let reason = try #require(refusal(try redirect(302, "https://h.example/s3cr3t9876543210abcdef/mcp?token=hidden")))
    #expect(!reason.contains("hidden") && !reason.contains("s3cr3t9876543210abcdef"))
  }
}
