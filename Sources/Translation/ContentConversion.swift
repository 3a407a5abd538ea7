import MCP
import Wire

/// Results in the shapes that older revisions know: what their schemas say of `CallToolResult` and of content.
enum ContentConversion {
  /// A tool's structured result for a legacy client: dropped before 2025-06-18, after that wrapped if it is no
  /// object. Gives the value that has to become a text block, because the result would hold nothing else.
  static func structured(
    _ envelope: Envelope, _ hop: Hop, removed: inout ResultSet, splice: inout Splice
  ) -> Slice? {
    guard let member = envelope.member(.structuredContent) else { return nil }
    if hop.client.hasStructuredContent {
      guard hop.upstream.hasAnyStructuredContent, JSON.kind(of: envelope.message[member.value]) != .object else {
        return nil
      }
      splice.insert(at: member.value.offset) { $0.append(#"{"result":"#) }
      splice.insert(at: member.value.end) { $0.append("}") }
      return nil
    }
    removed.insert(.structuredContent)
    if let content = envelope.value(.content), JSON.kind(of: content) == .array {
      var items = JSON.items(of: content)
      if items.next() != nil { return nil }
    }
    removed.insert(.content)
    return member.value
  }

  /// Blocks that the client's revision lacks become text. They stand in a tool result's `content` and in the messages
  /// of a prompt.
  static func blocks(_ envelope: Envelope, _ hop: Hop, splice: inout Splice) {
    switch hop.method {
    case .toolsCall:
      if let content = envelope.member(.content) { list(content.value, envelope.message, hop, splice: &splice) }
    case .promptsGet:
      guard let messages = envelope.member(.messages) else { return }
      var items = JSON.items(of: envelope.message[messages.value])
      while let item = items.next() {
        guard let content = JSON.findMember("content", in: items.value(of: item)) else { continue }
        let place = content.value.shifted(by: messages.value.offset + item.value.offset)
        block(place, envelope.message, hop, splice: &splice)
      }
    default: break
    }
  }

  private static func list(_ place: Slice, _ message: RawSpan, _ hop: Hop, splice: inout Splice) {
    var items = JSON.items(of: message[place])
    while let item = items.next() { block(item.value.shifted(by: place.offset), message, hop, splice: &splice) }
  }

  private static func block(_ place: Slice, _ message: RawSpan, _ hop: Hop, splice: inout Splice) {
    let block = message[place]
    guard JSON.kind(of: block) == .object else { return }
    let type = JSON.find("type", in: block)
    if !hop.client.hasResourceLinks, JSON.isString(type, "resource_link") {
      var text = ByteBuffer()
      if let name = JSON.find("name", in: block), let contents = JSON.contents(of: name), contents.byteCount > 0 {
        text.append(contents)
        text.append(": ")
      }
      if let uri = JSON.find("uri", in: block), let contents = JSON.contents(of: uri) { text.append(contents) }
      replace(place, withText: text.bytes, splice: &splice)
    } else if !hop.client.hasAudio, JSON.isString(type, "audio") {
      var text = ByteBuffer()
      text.append("[audio")
      if let type = JSON.find("mimeType", in: block), let contents = JSON.contents(of: type) {
        text.append(", ")
        text.append(contents)
      }
      text.append("]")
      replace(place, withText: text.bytes, splice: &splice)
    }
  }

  /// `text` is raw string contents.
  private static func replace(_ place: Slice, withText text: RawSpan, splice: inout Splice) {
    splice.replace(place) {
      $0.append(#"{"type":"text","text":""#)
      $0.append(text)
      $0.append(#""}"#)
    }
  }
}

/// The URIs that a result names, which tell whose they are, and which bear a mark if another server owns them too.
public enum ResultLinks {
  /// Calls `visit` with the place of each URI's string token: of the contents of a read, of links, and of embedded
  /// resources.
  public static func forEach(_ envelope: Envelope, method: Method, _ visit: (Slice) -> Void) {
    let message = envelope.message
    switch method {
    case .resourcesRead:
      guard let contents = envelope.member(.contents) else { return }
      var items = JSON.items(of: message[contents.value])
      while let item = items.next() { uri(of: item.value.shifted(by: contents.value.offset), message, visit) }
    case .toolsCall:
      guard let content = envelope.member(.content) else { return }
      var items = JSON.items(of: message[content.value])
      while let item = items.next() { block(item.value.shifted(by: content.value.offset), message, visit) }
    case .promptsGet:
      guard let messages = envelope.member(.messages) else { return }
      var items = JSON.items(of: message[messages.value])
      while let item = items.next() {
        guard let content = JSON.findMember("content", in: items.value(of: item)) else { continue }
        block(content.value.shifted(by: messages.value.offset + item.value.offset), message, visit)
      }
    default: break
    }
  }

  /// Marks the URIs for which `isTaken` says that another server owns them as they are. It gets raw string contents.
  public static func mark(
    _ envelope: Envelope, method: Method, alias: String, splice: inout Splice, isTaken: (RawSpan) -> Bool
  ) {
    var places: [Slice] = []
    forEach(envelope, method: method) { places.append($0) }
    for place in places {
      guard let contents = JSON.contents(of: envelope.message[place]), isTaken(contents) else { continue }
      splice.replace(Slice(offset: place.offset + 1, length: place.length - 2)) {
        ResourceTag.append(contents, alias: alias, to: &$0)
      }
    }
  }

  private static func block(_ place: Slice, _ message: RawSpan, _ visit: (Slice) -> Void) {
    let block = message[place]
    let type = JSON.find("type", in: block)
    if JSON.isString(type, "resource_link") {
      uri(of: place, message, visit)
    } else if JSON.isString(type, "resource"), let resource = JSON.findMember("resource", in: block) {
      uri(of: resource.value.shifted(by: place.offset), message, visit)
    }
  }

  private static func uri(of place: Slice, _ message: RawSpan, _ visit: (Slice) -> Void) {
    guard let uri = JSON.findMember("uri", in: message[place]), JSON.kind(of: message[place][uri.value]) == .string
    else { return }
    visit(uri.value.shifted(by: place.offset))
  }
}
