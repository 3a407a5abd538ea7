/// The forms of header fields (RFC 9110 section 5).
public enum HeaderForm {
  /// Framing, connection and protocol fields that the gateway writes for each message.
  public static let managed: Set<String> = [
    "accept", "connection", "content-length", "content-type", "expect", "host", "keep-alive", "last-event-id",
    "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
  ]

  public static func isName(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }

  public static func isValue(_ text: String) -> Bool {
    trimmed(text).utf8.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
  }

  /// Without the blanks around it, which no recipient may see as part of the value.
  public static func trimmed(_ text: String) -> String {
    var rest = text[...]
    while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
    while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
    return String(rest)
  }
}
