import Wire

/// A tool argument that goes into a header too (`x-mcp-header`: MCP 2026-07-28, Basic/Transports, Streamable HTTP, and
/// Server, Tools).
public struct MirroredParameter: Sendable, Equatable {
  public enum ValueType: UInt8, Sendable { case string, integer, boolean }

  /// The whole field name, `Mcp-Param-Region`.
  public var header: [UInt8]
  /// The keys that lead from `arguments` to the value, unescaped.
  public var path: [[UInt8]]
  public var type: ValueType

  public static let headerPrefix: StaticString = "Mcp-Param-"
}

/// An `Mcp-Param-*` line of a client's request. One that the tool's schema does not explain is handed on, because the
/// upstream may know more of them than its list said.
public struct MirroredLine: Sendable, Equatable {
  public var name: [UInt8]
  public var value: [UInt8]

  public static func all(of head: RequestHead) -> [MirroredLine] {
    let lines = head.others
    let prefix = MirroredParameter.headerPrefix
    var found: [MirroredLine] = []
    for line in 0..<lines.count {
      let name = lines.name(line)
      guard name.byteCount > prefix.utf8CodeUnitCount,
        name.extracting(first: prefix.utf8CodeUnitCount).equalsIgnoringCase(prefix)
      else { continue }
      found.append(MirroredLine(name: name.array, value: lines.value(line).array))
    }
    return found
  }

  /// The same of a method that no revision has: what its `Mcp-Name` mirrors is known to the two ends alone.
  public static func ofOther(_ head: RequestHead) -> [MirroredLine] {
    guard let name = head.header(.mcpName) else { return all(of: head) }
    return all(of: head) + [MirroredLine(name: HeaderField.mcpName.name.array, value: name.array)]
  }

  public func names(_ parameter: MirroredParameter) -> Bool {
    name.rawBytes.equalsIgnoringCase(parameter.header.rawBytes)
  }
}

/// The annotations of one tool's input schema.
public enum MirroredParameters: Sendable, Equatable {
  case valid([MirroredParameter])
  /// A rule is broken, so HTTP clients must leave the tool out.
  case invalid(String)

  /// Finds the annotations of an input schema. Most schemas have none, which a search of the bytes tells.
  public init(schema: RawSpan) {
    guard schema.firstRange(of: "x-mcp-header") != nil || schema.firstRange(of: "\\u") != nil else {
      self = .valid([])
      return
    }
    var walk = Walk()
    walk.schema(schema, path: [], isReachable: true)
    self = walk.fault.map { .invalid($0) } ?? .valid(walk.found)
  }

  private struct Walk {
    var found: [MirroredParameter] = []
    var fault: String?

    /// One schema. `isReachable`: only `properties` keys lead to it from the root.
    mutating func schema(_ schema: RawSpan, path: [[UInt8]], isReachable: Bool) {
      var items = JSON.items(of: schema)
      while fault == nil, let item = items.next() {
        let value = items.value(of: item)
        if items.key(of: item, is: "x-mcp-header") {
          annotation(value, of: schema, path: path, isReachable: isReachable)
        } else if items.key(of: item, is: "properties") {
          properties(value, path: path, isReachable: isReachable)
        } else if items.key(of: item, is: "patternProperties") || items.key(of: item, is: "$defs")
          || items.key(of: item, is: "definitions") || items.key(of: item, is: "dependentSchemas")
        {
          properties(value, path: path, isReachable: false)
        } else if items.key(of: item, is: "const") || items.key(of: item, is: "enum")
          || items.key(of: item, is: "default") || items.key(of: item, is: "examples")
        {
          continue  // Data, not schemas.
        } else {
          subschemas(value)
        }
      }
    }

    /// An object whose members are named by the author: `x-mcp-header` is no keyword here.
    private mutating func properties(_ object: RawSpan, path: [[UInt8]], isReachable: Bool) {
      var items = JSON.items(of: object)
      while fault == nil, let item = items.next() {
        let contents = object[item.key]
        var key = ByteBuffer()
        JSON.unescape(contents, into: &key)
        schema(items.value(of: item), path: path + [key.bytes.array], isReachable: isReachable)
      }
    }

    /// Whatever schemas lie within the value of some other keyword.
    private mutating func subschemas(_ value: RawSpan) {
      switch JSON.kind(of: value) {
      case .object: schema(value, path: [], isReachable: false)
      case .array:
        var items = JSON.items(of: value)
        while fault == nil, let item = items.next() { subschemas(items.value(of: item)) }
      default: break
      }
    }

    private mutating func annotation(_ value: RawSpan, of schema: RawSpan, path: [[UInt8]], isReachable: Bool) {
      guard let name = JSON.bytes(value), !name.isEmpty, name.allSatisfy(Self.isTokenByte) else {
        fault = "x-mcp-header is not a header name"
        return
      }
      guard isReachable, !path.isEmpty else {
        fault = "x-mcp-header where properties alone do not lead"
        return
      }
      let type: MirroredParameter.ValueType
      let declared = JSON.find("type", in: schema)
      if JSON.isString(declared, "string") {
        type = .string
      } else if JSON.isString(declared, "integer") {
        type = .integer
      } else if JSON.isString(declared, "boolean") {
        type = .boolean
      } else {
        fault = "x-mcp-header on a property that is no string, integer or boolean"
        return
      }
      let header = MirroredParameter.headerPrefix.bytes.array + name
      guard !found.contains(where: { $0.header.rawBytes.equalsIgnoringCase(header.rawBytes) }) else {
        fault = "x-mcp-header names one header twice"
        return
      }
      found.append(MirroredParameter(header: header, path: path, type: type))
    }

    /// tchar of RFC 9110 section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
      case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
      default: false
      }
    }
  }
}

extension MirroredParameter {
  /// The value token in an `arguments` object that the header mirrors; nil when it is absent or null.
  @_lifetime(copy arguments)
  public func value(in arguments: RawSpan) -> RawSpan? {
    var value = arguments
    for key in path {
      guard JSON.kind(of: value) == .object else { return nil }
      var items = JSON.items(of: value)
      var child: Slice?
      while child == nil, let item = items.next() {
        if JSON.equals(value[item.key], key.rawBytes) { child = item.value }
      }
      guard let child else { return nil }
      value = value[child]
    }
    return JSON.kind(of: value) == .null ? nil : value
  }

  /// Appends the text of the header for a value token; false if the value is not of the declared type.
  public func append(_ value: RawSpan, to buffer: inout ByteBuffer) -> Bool {
    switch (type, JSON.kind(of: value)) {
    case (.string, .string):
      guard let contents = JSON.contents(of: value) else { return false }
      return JSON.unescape(contents, into: &buffer)
    case (.integer, .integer), (.boolean, .true), (.boolean, .false):
      buffer.append(value)
      return true
    default: return false
    }
  }

  /// Whether a decoded header text stands for a value token. Integers compare as numbers: `42.0` is `42`.
  public func matches(_ value: RawSpan, _ text: RawSpan) -> Bool {
    switch type {
    case .string:
      guard let contents = JSON.contents(of: value) else { return false }
      return JSON.equals(contents, text)
    case .boolean: return value.equals(text)
    case .integer: return Self.integerPart(value).equals(Self.integerPart(text))
    }
  }

  /// A decimal number without a fraction of zeros.
  @_lifetime(copy text)
  private static func integerPart(_ text: RawSpan) -> RawSpan {
    guard let dot = text.firstIndex(of: 0x2E) else { return text }
    for index in (dot + 1)..<text.byteCount where text[byte: index] != 0x30 { return text }
    return text.extracting(0..<dot)
  }
}

extension Span where Element == MirroredParameter {
  /// Checks the headers of a modern `tools/call` against its arguments. `scratch` is written to.
  public func fault(_ head: RequestHead, arguments: RawSpan?, scratch: inout ByteBuffer) -> GatewayError? {
    for index in indices {
      let parameter = self[index]
      var header: RawSpan?
      let others = head.others
      for line in 0..<others.count where others.name(line).equalsIgnoringCase(parameter.header.rawBytes) {
        guard header == nil else { return Self.mismatch(parameter, "comes twice") }
        header = others.value(line)
      }
      var value: RawSpan?
      if let arguments { value = parameter.value(in: arguments) }
      guard let value else {
        if header != nil { return Self.mismatch(parameter, "has no counterpart in the arguments") }
        continue
      }
      scratch.clear()
      guard parameter.append(value, to: &scratch) else { continue }
      guard let header else { return Self.mismatch(parameter, "is absent") }
      scratch.clear()
      guard HeaderCodec.decode(header, into: &scratch) else { return Self.mismatch(parameter, "is malformed") }
      guard parameter.matches(value, scratch.bytes) else {
        return Self.mismatch(parameter, "differs from the argument")
      }
    }
    return nil
  }

  private static func mismatch(_ parameter: MirroredParameter, _ text: String) -> GatewayError {
    let name = parameter.header.rawBytes.text
    return GatewayError(.headerMismatch, message: "Header mismatch: \(name) \(text)")
  }
}
