import Testing

@testable import ConfigurationSyntax

@Suite("What browsers send")
struct BrowserFormTests {
  private func mistake(_ origin: String) -> Unfit? {
    do throws(Unfit) {
      #expect(try HostForm.origin(origin) == nil)
      return nil
    } catch {
      return error
    }
  }

  @Test(
    "origins are brought into the form that browsers give them",
    arguments: [
      ("HTTPS://App.Example:443", "https://app.example"), ("http://[::1]:80", "http://[::1]"),
      ("vscode-webview://abc", "vscode-webview://abc"), ("chrome-extension://abcdef", "chrome-extension://abcdef"),
      ("http://a.example:0080", "http://a.example"), ("http://a.example:8080", "http://a.example:8080"),
      ("https://[2001:DB8:0:0:0:0:0:1]:8443", "https://[2001:db8::1]:8443"),
      ("https://[::ffff:192.0.2.1]", "https://[::ffff:c000:201]"), ("https://192.0.2.1", "https://192.0.2.1"),
      ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"), ("*", "*"),
    ])
  func origins(text: String, form: String) throws {
    #expect(try HostForm.origin(text) == form)
    #expect(try HostForm.origin(form) == form)
  }

  @Test(
    "the origin of pages that anybody can have is refused, with why",
    arguments: [
      "null", "NULL", "file://", "file:///home/ann/page.html", "data:text/html,x", "blob:null/1", "about:blank",
    ])
  func opaque(text: String) {
    #expect(mistake(text)?.reason.contains("sandboxed frame") == true)
  }

  @Test(
    "what is nearly an origin is refused, with what was meant",
    arguments: [
      ("https://a.example/path", "https://a.example"), ("https://a.example/", "https://a.example"),
      ("https://a.example:8443?x", "https://a.example:8443"), ("https://a.example#x", "https://a.example"),
      ("https://a.example\\x", "https://a.example"), ("https://user:word@a.example", "https://a.example"),
      ("https://a.example:", "https://a.example"), ("a.example", "https://a.example"),
      ("a.example:8443", "https://a.example:8443"), ("wss://a.example", "https://a.example"),
      ("ws://a.example:81", "http://a.example:81"),
    ])
  func near(text: String, meant: String) {
    #expect(mistake(text)?.suggestion == meant)
  }

  @Test(
    "what matches nothing that a browser sends is refused, with why",
    arguments: [
      "https://*.example", "*.example", "https://bücher.example", "https://a b.example", "https://010.0.0.1",
      "https://[fe80::1%25eth0]", "https://[fe80::1%eth0]", "https://[1::2::3]",
    ])
  func never(text: String) {
    let found = mistake(text)
    #expect(found != nil && found?.suggestion == nil)
  }

  @Test(
    "what is no origin has the wrong form",
    arguments: [
      "https://", "://a.example", "1a://b", "https://a.example:0", "https://a.example:65536", "https://::1",
      "https://[::1",
      "https://300.1.1.1", "https://127.1",
    ])
  func others(text: String) {
    #expect(mistake(text) == nil)
  }

  @Test("hosts are brought into the form that browsers give them, or refused with what was meant")
  func hosts() throws {
    #expect(try HostForm.allowedHost("[::1]") == "::1")
    #expect(try HostForm.allowedHost("2001:DB8:0::1") == "2001:db8::1")
    #expect(try HostForm.allowedHost("Gate.Example") == "gate.example")
    #expect(try HostForm.allowedHost("*") == "*")
    #expect(try HostForm.allowedHost("a b") == nil)
    for (text, meant) in [("a.example:80", "a.example"), ("https://a.example/mcp", "a.example"), ("[::1]:80", "::1")] {
      #expect { try HostForm.allowedHost(text) } throws: { ($0 as? Unfit)?.suggestion == meant }
    }
    #expect(throws: Unfit.self) { try HostForm.allowedHost("*.example") }
  }
}
