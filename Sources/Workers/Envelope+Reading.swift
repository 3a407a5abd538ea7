import MCP
import Wire

extension Envelope {
  /// `error.code`.
  public var errorCode: Int64? {
    guard let code = value(ErrorKey.code) else { return nil }
    return JSON.integer(code)
  }

  /// `error.message`, unescaped.
  public var errorMessage: String? {
    guard let message = value(ErrorKey.message) else { return nil }
    return JSON.string(message)
  }

  /// The revision that answers an `initialize`.
  public var requestedRevision: Revision {
    guard let requested = value(Param.protocolVersion) else { return .newestLegacy }
    return Negotiation.answer(to: requested)
  }
}

extension ListKinds {
  public static let all: ListKinds = [.tools, .resources, .templates, .prompts]

  /// The lists that a notification speaks of.
  public init(changed method: Method) {
    self = []
    for kind in ListKind.allCases where kind.changed == method { insert(ListKinds(kind)) }
  }
}

extension JSON {
  /// Copies of an array's elements.
  public static func elements(of array: RawSpan) -> [[UInt8]] {
    var items = JSON.items(of: array)
    var elements: [[UInt8]] = []
    while let item = items.next() { elements.append(array[item.value].array) }
    return elements
  }
}
