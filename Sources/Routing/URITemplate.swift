import MCP
import Wire

/// A URI template of RFC 6570, for telling whose resource a URI is: its literal parts must occur in order, the first
/// at the start and the last at the end, and whatever lies between is taken for the variables.
struct URITemplate: Sendable {
  private let literals: [[UInt8]]
  /// The literal bytes: of two templates that match, the one with more of them says more.
  let weight: Int

  init(_ text: [UInt8]) {
    var literals: [[UInt8]] = [[]]
    var isVariable = false
    for byte in text {
      if isVariable {
        if byte == 0x7D { isVariable = false }
      } else if byte == 0x7B {
        isVariable = true
        literals.append([])
      } else {
        literals[literals.count - 1].append(byte)
      }
    }
    self.literals = literals
    weight = literals.reduce(0) { $0 + $1.count }
  }

  func matches(_ uri: RawSpan) -> Bool {
    let first = literals[0]
    let last = literals[literals.count - 1]
    guard literals.count > 1 else { return uri.equals(first.rawBytes) }
    guard uri.byteCount >= weight, uri.hasPrefix(first.rawBytes), uri.hasSuffix(last.rawBytes) else { return false }
    var start = first.count
    let end = uri.byteCount - last.count
    for literal in literals[1..<(literals.count - 1)] where !literal.isEmpty {
      guard let next = Self.find(literal.rawBytes, in: uri, start..<end) else { return false }
      start = next
    }
    return start <= end
  }

  /// Where the first occurrence within the range ends.
  private static func find(_ literal: RawSpan, in uri: RawSpan, _ range: Range<Int>) -> Int? {
    var at = range.lowerBound
    while at + literal.byteCount <= range.upperBound {
      if uri.extracting(at..<(at + literal.byteCount)).equals(literal) { return at + literal.byteCount }
      at += 1
    }
    return nil
  }
}
