import MCP
import Wire

/// A URI template of RFC 6570, for telling whose resource a URI is: whether the URI could be an expansion of it, as SDK
/// servers read one. A simple variable takes no slash; those of other operators take what their expansions hold.
struct URITemplate: Sendable {
  /// Pieces of the template, each a state of the comparison.
  private enum Piece: Equatable {
    case byte(UInt8)
    /// Any bytes but slashes, or none.
    case segment
    /// Any bytes, or none.
    case rest
    /// The byte with which what the next piece takes begins; without it both are passed over.
    case lead(UInt8)

    var literal: UInt8? { if case .byte(let byte) = self { byte } else { nil } }
  }

  private let pieces: [Piece]
  /// The literal bytes in front of the first variable and behind the last one.
  private let head: [UInt8]
  private let tail: [UInt8]
  /// All literal bytes.
  private let least: Int

  /// Bytes of the longest URI that is compared: a longer one is nobody's by its form.
  static let longestURI = 8 << 10

  init(_ text: [UInt8]) {
    let pieces = Self.pieces(of: text)
    self.pieces = pieces
    let head = pieces.prefix { $0.literal != nil }.compactMap(\.literal)
    self.head = head
    tail = pieces[head.count...].reversed().prefix { $0.literal != nil }.reversed().compactMap(\.literal)
    least = pieces.count { $0.literal != nil }
  }

  private static func pieces(of text: [UInt8]) -> [Piece] {
    var pieces: [Piece] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      // A brace that nothing closes is a character like others.
      guard byte == UInt8(ascii: "{"), let end = rest.firstIndex(of: UInt8(ascii: "}")) else {
        pieces.append(.byte(byte))
        continue
      }
      pieces += expression(rest[..<end])
      rest = rest[(end + 1)...]
    }
    return pieces
  }

  private static func expression(_ body: ArraySlice<UInt8>) -> [Piece] {
    guard let first = body.first else { return [.segment] }
    switch first {
    case UInt8(ascii: "+"): return [.rest]
    case UInt8(ascii: "#"), UInt8(ascii: "?"), UInt8(ascii: "&"): return [.lead(first), .rest]
    case UInt8(ascii: "."), UInt8(ascii: ";"): return [.lead(first), .segment]
    case UInt8(ascii: "/"):
      let isOne = !body.contains(UInt8(ascii: ",")) && !body.contains(UInt8(ascii: "*"))
      return [.lead(first), isOne ? .segment : .rest]
    default: return [.segment]
    }
  }

  /// - Parameter budget: pieces that may still be looked at. Who chooses templates and URIs must not choose how long it
  ///   takes to compare them: at 0 nothing matches any more.
  func matches(_ uri: RawSpan, budget: inout Int) -> Bool {
    budget -= 1
    guard budget > 0, uri.byteCount >= least, uri.byteCount <= Self.longestURI, pieces.count <= States.most,
      uri.hasPrefix(head.rawBytes), uri.hasSuffix(tail.rawBytes)
    else { return false }
    var states = States()
    enter(head.count, &states)
    for at in head.count..<uri.byteCount {
      var next = States()
      let byte = uri[byte: at]
      budget -= states.count
      guard budget > 0 else { return false }
      states.each { state in
        guard state < pieces.count else { return }
        switch pieces[state] {
        case .byte(byte), .lead(byte): enter(state + 1, &next)
        case .segment where byte != UInt8(ascii: "/"), .rest: enter(state, &next)
        default: break
        }
      }
      guard next.count > 0 else { return false }
      states = next
    }
    return states.contains(pieces.count)
  }

  /// Goes to a state and to those that need no byte from there.
  private func enter(_ state: Int, _ states: inout States) {
    guard states.insert(state), state < pieces.count else { return }
    switch pieces[state] {
    case .byte: break
    case .segment, .rest: enter(state + 1, &states)
    case .lead: enter(state + 2, &states)
    }
  }

  /// A URI that the template makes.
  var sample: [UInt8] {
    var sample: [UInt8] = []
    var isPassedOver = false
    for piece in pieces {
      switch piece {
      case .byte(let byte): sample.append(byte)
      case .segment, .rest: if !isPassedOver { sample.append(UInt8(ascii: "x")) }
      case .lead: break
      }
      if case .lead = piece { isPassedOver = true } else { isPassedOver = false }
    }
    return sample
  }

  /// A set of states, without memory of its own.
  private struct States {
    /// The longest template that is compared has one piece less than there are states.
    static let most = 511
    private var words = InlineArray<8, UInt64>(repeating: 0)
    private(set) var count = 0

    /// False if it was there.
    mutating func insert(_ state: Int) -> Bool {
      let bit: UInt64 = 1 << UInt64(state & 63)
      guard words[state >> 6] & bit == 0 else { return false }
      words[state >> 6] |= bit
      count += 1
      return true
    }

    func contains(_ state: Int) -> Bool { words[state >> 6] & (1 << UInt64(state & 63)) != 0 }

    func each(_ visit: (Int) -> Void) {
      for index in words.indices {
        var word = words[index]
        while word != 0 {
          visit(index << 6 + word.trailingZeroBitCount)
          word &= word - 1
        }
      }
    }
  }
}
