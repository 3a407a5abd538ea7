import MCP
import Testing
import Translation
import Wire

/// A POST as a test writes it: header lines and a body.
struct Exchange {
  var method = "POST"
  var headers: [(String, String)] = []
  var body = ""

  static let both = ("Accept", "application/json, text/event-stream")
  static let json = ("Content-Type", "application/json")

  /// A legacy POST.
  static func legacy(_ body: String, _ headers: [(String, String)] = []) -> Exchange {
    Exchange(headers: [both, json] + headers, body: body)
  }

  /// A modern POST of a request whose headers are in order. `overriding` replaces header lines; an empty value leaves
  /// one out.
  static func modern(
    _ method: String, params: String = "", meta: String = "", name: String? = nil, version: String = "2026-07-28",
    overriding: [(String, String)] = [], extra: [(String, String)] = []
  ) -> Exchange {
    var headers = [both, json, ("MCP-Protocol-Version", version), ("Mcp-Method", method)]
    if let name { headers.append(("Mcp-Name", name)) }
    for (key, value) in overriding {
      headers.removeAll { $0.0.lowercased() == key.lowercased() }
      if !value.isEmpty { headers.append((key, value)) }
    }
    headers += extra
    let envelope =
      #""_meta":{"io.modelcontextprotocol/protocolVersion":"\#(version)","#
      + #""io.modelcontextprotocol/clientCapabilities":{}\#(meta.isEmpty ? "" : "," + meta)}"#
    let members = params.isEmpty ? envelope : params + "," + envelope
    return Exchange(
      headers: headers, body: #"{"jsonrpc":"2.0","id":7,"method":"\#(method)","params":{\#(members)}}"#)
  }

  func classified() throws -> Inbound {
    var text = "\(method) /mcp HTTP/1.1\r\nHost: localhost\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    text += "\r\n"
    let bytes = Array(text.utf8)
    let bodyBytes = Array(body.utf8)
    let parser = RequestHeadParser()
    let scanner = EnvelopeScanner()
    var scratch = ByteBuffer()
    guard let head = parser.parse(bytes.rawBytes) else { throw Unparsable() }
    if method != "POST" { return Inbound.classify(head) }
    return Inbound.classify(head, scanner.scan(bodyBytes.rawBytes), scratch: &scratch)
  }

  struct Unparsable: Error {}
}

extension Inbound {
  /// The status and code with which it is refused.
  func refusal(_ era: Era = .modern) -> [Int]? {
    guard case .reject(let error) = self else { return nil }
    let answer = error.answer(to: era)
    return [answer.status, answer.code]
  }
}
