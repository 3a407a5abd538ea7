import MCP
import Wire

/// What a server last called its tools, prompts and resources. It keeps these names when the gateway starts without it:
/// what was its own yesterday must not be another's today because it comes up late.
public struct KnownNames: Sendable, Equatable {
  /// String tokens, in the order of the lists.
  public private(set) var tokens: [ListKind: [[UInt8]]] = [:]

  /// Bytes of names that are kept of one server; those that come later in a list are not.
  static let most = 256 << 10

  public init() {}

  /// Those of an upstream by its place in a catalogue.
  public init(of upstream: Int, in catalogue: Catalogue) {
    var room = Self.most
    for kind in ListKind.allCases {
      for entry in catalogue.entries(kind) where entry.upstream == upstream {
        add(entry.ownToken, kind, &room)
      }
    }
  }

  public var isEmpty: Bool { tokens.isEmpty }

  /// Whether it had resources of any kind.
  public var hasResources: Bool { tokens[.resources] != nil || tokens[.templates] != nil }

  /// - Parameter room: bytes that are left for this server.
  mutating func add(_ token: [UInt8], _ kind: ListKind, _ room: inout Int) {
    room -= token.count + 1
    if room >= 0 { tokens[kind, default: []].append(token) }
  }

  // MARK: On disk

  private static let mark: StaticString = "names 1 "
  private static let digits = 16

  /// The names as a line of a file that is appended to: what it is and in which version, a checksum, and a JSON object.
  public func line(of alias: String) -> [UInt8] {
    var object = ByteBuffer()
    object.append("{\"server\":")
    object.append(quoted: alias)
    for kind in ListKind.allCases {
      guard let tokens = tokens[kind] else { continue }
      object.append(",\"")
      object.append(Self.key(of: kind))
      object.append("\":[")
      for (place, token) in tokens.enumerated() {
        if place > 0 { object.append(",") }
        object.append(token.rawBytes)
      }
      object.append("]")
    }
    object.append("}")
    var line = ByteBuffer(capacity: object.count + 32)
    line.append(Self.mark)
    line.append(Self.checksum(of: object.bytes).rawBytes)
    line.append(" ")
    line.append(object.bytes)
    line.append("\n")
    return line.bytes.array
  }

  /// What such lines say of each server, the last of them about it. Lines that are of no version known here, were cut off
  /// or have been tampered with are passed over.
  public static func read(_ text: RawSpan) -> [String: KnownNames] {
    var found: [String: KnownNames] = [:]
    var start = 0
    while start < text.byteCount {
      let rest = text.extracting(start..<text.byteCount)
      // What has no end was cut off.
      guard let length = rest.firstIndex(of: 0x0A) else { break }
      if let (alias, names) = parse(rest.extracting(0..<length)) { found[alias] = names }
      start += length + 1
    }
    return found
  }

  private static func parse(_ line: RawSpan) -> (alias: String, KnownNames)? {
    let head = mark.bytes.byteCount
    guard line.byteCount > head + digits + 1, line.hasPrefix(mark.bytes) else { return nil }
    let object = line.extracting((head + digits + 1)..<line.byteCount)
    guard line[byte: head + digits] == 0x20,
      line.extracting(head..<(head + digits)).equals(checksum(of: object).rawBytes), JSON.isValid(object),
      JSON.kind(of: object) == .object, let server = JSON.find("server", in: object), let alias = JSON.string(server)
    else { return nil }
    var names = KnownNames()
    var room = most
    for kind in ListKind.allCases {
      guard let list = JSON.find(key(of: kind), in: object), JSON.kind(of: list) == .array else { continue }
      var items = JSON.items(of: list)
      while let item = items.next() {
        let token = items.value(of: item)
        if JSON.kind(of: token) == .string { names.add(token.array, kind, &room) }
      }
    }
    return (alias, names)
  }

  private static func key(of kind: ListKind) -> StaticString {
    switch kind {
    case .tools: "tools"
    case .resources: "resources"
    case .templates: "templates"
    case .prompts: "prompts"
    }
  }

  private static func checksum(of bytes: RawSpan) -> [UInt8] {
    let hexadecimal = Array("0123456789abcdef".utf8)
    return SHA256.digest(bytes)[0..<(digits / 8)].flatMap { word in
      (0..<8).map { hexadecimal[Int(word >> UInt32(28 - 4 * $0)) & 15] }
    }
  }
}
