import Configuration
import ConfigurationSyntax
import Testing

@testable import Clusters

/// Where the messages of a client of HTTP+SSE go, by what the server's `endpoint` event says.
@Suite("The endpoint that a server of HTTP+SSE names")
struct EndpointResolutionTests {
  private func resolve(_ endpoint: String, at url: String = "https://h.example/a/sse?key=1") throws -> String? {
    let remote = GatewayConfiguration.Remote(endpoints: [.init(url: try EndpointURL(parsing: url))])
    let server = GatewayConfiguration.Server(
      alias: "far", kind: .url(remote), position: SourcePosition(file: "f", line: 1))
    return try Cluster(.init(number: 0, id: 0), server: server, connectTimeout: 1).first.resolve(endpoint: endpoint)
  }

  @Test(
    "is a path, or a URL on its origin",
    arguments: [
      ("/messages", "/messages"), ("/messages?session=1", "/messages?session=1"), ("messages", "/a/messages"),
      ("messages?session=1", "/a/messages?session=1"), ("https://h.example/messages?x", "/messages?x"),
      ("https://h.example:443/messages", "/messages"), ("../messages", "/messages"), ("./m/./n?a=..", "/a/m/n?a=.."),
      ("/b/../messages", "/messages"), ("messages?next=http://x/", "/a/messages?next=http://x/"),
    ])
  func same(endpoint: String, target: String) throws {
    #expect(try resolve(endpoint) == target)
  }

  @Test(
    "is taken from no other origin",
    arguments: [
      "http://h.example/messages", "https://h.example:444/messages", "https://other.example/messages",
      "https://h.example.evil.com/messages", "https://h.example@evil.com/messages", "//evil.com/messages",
      "ftp://h.example/messages", "https://h.example",
    ])
  func other(endpoint: String) throws {
    #expect(try resolve(endpoint) == nil)
  }

  @Test(
    "is nothing that could not stand in a request line",
    arguments: [
      "/messages HTTP/1.1", "/a b", "/a\tb", "/a\r\nX-Evil: 1", "/a\nb", "/a\u{0}b", "/a\u{7F}", "/é", "a b",
      "https://h.example/a b", " ", "/a\u{B}",
    ])
  func malformed(endpoint: String) throws {
    #expect(try resolve(endpoint) == nil)
  }

  @Test("is found from where the stream is by now")
  func moved() throws {
    let remote = GatewayConfiguration.Remote(endpoints: [.init(url: try EndpointURL(parsing: "http://h/a/sse"))])
    let server = GatewayConfiguration.Server(
      alias: "far", kind: .url(remote), position: SourcePosition(file: "f", line: 1))
    let cluster = try Cluster(.init(number: 0, id: 0), server: server, connectTimeout: 1)
    #expect(cluster.first.resolve(endpoint: "m", at: "/b/c/sse?x=/") == "/b/c/m")
    #expect(cluster.first.resolve(endpoint: "/m", at: "/b/c/sse") == "/m")
    cluster.first.move(to: "/d/sse", isPermanent: true)
    #expect(cluster.first.resolve(endpoint: "m") == "/d/m")
  }

  @Test("of a server at a port of its own has that port")
  func port() throws {
    #expect(try resolve("http://[::1]:9/m", at: "http://[::1]:9/sse") == "/m")
    #expect(try resolve("http://[::1]/m", at: "http://[::1]:9/sse") == nil)
  }
}
