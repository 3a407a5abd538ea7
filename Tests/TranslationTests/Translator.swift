import MCP
import Testing
import Translation
import Wire

/// Puts messages through a translation as a gateway would, in text.
struct Translator {
  var hop: Hop
  static let meta = RequestMeta(Identity(name: "g", version: "1"))
  static let stamp = #""io.modelcontextprotocol/serverInfo":{"name":"g","version":"1"}"#
  static let clientInfo = #""io.modelcontextprotocol/clientInfo":{"name":"g","version":"1"}"#
  static let envelope =
    clientInfo + #","io.modelcontextprotocol/protocolVersion":"2026-07-28","#
    + #""io.modelcontextprotocol/clientCapabilities":{}"#

  enum Name {
    case keep
    case token(String)
    case text(String)
  }

  init(_ method: Method, _ client: Revision, _ upstream: Revision, nonObject: Bool = false, marks: Bool = false) {
    hop = Hop(method, client: client, upstream: upstream, hasNonObjectOutput: nonObject, marksResources: marks)
  }

  /// A request with the upstream id 55, and the progress token 9 if one is to be sent.
  func request(_ message: String, name: Name = .keep, token: UInt64? = 9) -> String {
    write(message) { envelope, splice in
      let target = CallTarget(envelope)
      switch name {
      case .keep:
        RequestTranslation.request(
          envelope, hop, id: 55, progressToken: token, name: .keep, target: target, meta: Self.meta, splice: &splice)
      case .token(let text):
        let bytes = Array(text.utf8)
        RequestTranslation.request(
          envelope, hop, id: 55, progressToken: token, name: .token(bytes.rawBytes), target: target, meta: Self.meta,
          splice: &splice)
      case .text(let text):
        let bytes = Array(text.utf8)
        RequestTranslation.request(
          envelope, hop, id: 55, progressToken: token, name: .text(bytes.rawBytes), target: target, meta: Self.meta,
          splice: &splice)
      }
    }
  }

  /// A response for the client id `"c"`, and what is to be done with it.
  func response(_ message: String, uri: String? = nil) -> (outcome: ResponseOutcome, text: String) {
    var outcome = ResponseOutcome.forward(status: 0)
    let text = write(message) { envelope, splice in
      let id = Array(#""c""#.utf8)
      let info = Array(#"{"name":"g","version":"1"}"#.utf8)
      if let uri {
        let bytes = Array(uri.utf8)
        outcome = ResponseTranslation.response(
          envelope, hop, id: id.rawBytes, uri: bytes.rawBytes, serverInfo: info.rawBytes, alias: "up",
          splice: &splice)
      } else {
        outcome = ResponseTranslation.response(
          envelope, hop, id: id.rawBytes, uri: nil, serverInfo: info.rawBytes, alias: "up", splice: &splice)
      }
    }
    return (outcome, text)
  }

  /// The result member of a response that goes on.
  func result(_ result: String) -> String {
    let (outcome, text) = response(#"{"jsonrpc":"2.0","id":55,"result":\#(result)}"#)
    #expect(outcome == .forward(status: 200))
    let prefix = #"{"jsonrpc":"2.0","id":"c","result":"#
    #expect(text.hasPrefix(prefix))
    return String(text.dropFirst(prefix.count).dropLast())
  }

  /// The same result put through the streaming rewriter, cut in two at `cut`.
  func streamed(_ result: String, cut: Int) -> String {
    let message = Array(#"{"jsonrpc":"2.0","id":55,"result":\#(result)}"#.utf8)
    let id = Array(#""c""#.utf8)
    let info = Array(#"{"name":"g","version":"1"}"#.utf8)
    var edits = ResponseEdits()
    ResponseTranslation.streamed(hop, id: id.rawBytes, serverInfo: info.rawBytes, edits: &edits)
    let rewriter = ResponseRewriter(edits)
    var output = ByteBuffer()
    let cut = min(cut, message.count)
    let first = rewriter.feed(message.rawBytes.extracting(0..<cut), into: &output)
    if cut < message.count {
      #expect(first == .more)
      let last = rewriter.feed(message.rawBytes.extracting(cut..<message.count), into: &output)
      #expect(last == .complete(consumed: message.count - cut))
    }
    let prefix = #"{"jsonrpc":"2.0","id":"c","result":"#
    let text = output.bytes.text
    #expect(text.hasPrefix(prefix))
    return String(text.dropFirst(prefix.count).dropLast())
  }

  func notification(_ message: String, token: String? = nil, subscription: String? = nil) -> String? {
    var goesOn = false
    let text = write(message) { envelope, splice in
      let tokenBytes = Array((token ?? "").utf8)
      let subscriptionBytes = Array((subscription ?? "").utf8)
      switch (token != nil, subscription != nil) {
      case (true, true):
        goesOn = ServerTranslation.notification(
          envelope, hop, progressToken: tokenBytes.rawBytes, subscriptionID: subscriptionBytes.rawBytes,
          splice: &splice)
      case (true, false):
        goesOn = ServerTranslation.notification(
          envelope, hop, progressToken: tokenBytes.rawBytes, splice: &splice)
      case (false, true):
        goesOn = ServerTranslation.notification(
          envelope, hop, subscriptionID: subscriptionBytes.rawBytes, splice: &splice)
      case (false, false): goesOn = ServerTranslation.notification(envelope, hop, splice: &splice)
      }
    }
    return goesOn ? text : nil
  }

  func write(_ message: String, _ edit: (Envelope, inout Splice) -> Void) -> String {
    let bytes = Array(message.utf8)
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(bytes.rawBytes)
    #expect(envelope.faultCode == nil, "\(message)")
    var splice = Splice()
    edit(envelope, &splice)
    var output = ByteBuffer()
    let isWritten = splice.write(bytes.rawBytes, into: &output)
    #expect(isWritten)
    let isValid = JSON.isValid(output.bytes)
    #expect(isValid, "\(output.bytes.text)")
    return output.bytes.text
  }
}
