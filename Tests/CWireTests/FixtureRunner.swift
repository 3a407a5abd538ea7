import Foundation
import Testing

/// A codec as the fixtures see it: the input cut into pieces, and the options of the block, become lines of trace.
///
/// The lines must not depend on how the input was cut; a codec that hands out data in pieces joins neighbours before it
/// writes a line. Bytes are written with ``FixtureText/escape(_:)``.
typealias FixtureCodec = @Sendable (_ pieces: [[UInt8]], _ options: [String: String]) throws -> [String]

/// One case of a page: an input block and the trace block that follows it. See Fixtures/README.md for the format.
struct FixtureCase: Sendable {
  let name: String
  let line: Int
  let codec: String
  let options: [String: String]
  let input: [UInt8]
  let trace: [String]
}

/// A Markdown page of fixtures.
struct FixturePage: Sendable, CustomTestStringConvertible {
  let path: String
  let text: String

  var testDescription: String { path }

  /// Every page in a folder under Fixtures, by name.
  static func pages(in folder: String) -> [FixturePage] {
    guard let root = Bundle.module.resourceURL?.appendingPathComponent("Fixtures/\(folder)") else { return [] }
    let files = (try? FileManager.default.contentsOfDirectory(at: root, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "md" }
      .sorted { $0.lastPathComponent < $1.lastPathComponent }
      .map {
        FixturePage(
          path: "\(folder)/\($0.lastPathComponent)", text: (try? String(contentsOf: $0, encoding: .utf8)) ?? "")
      }
  }

  /// Feeds each case to its codec whole, byte by byte and cut in two at every point, and expects the same trace.
  func check(_ codecs: [String: FixtureCodec], sourceLocation: SourceLocation = #_sourceLocation) throws {
    for failure in try failures(codecs) { Issue.record("\(failure)", sourceLocation: sourceLocation) }
  }

  /// What ``check(_:sourceLocation:)`` reports: one text for each case that fails, at the first cut where it does.
  func failures(_ codecs: [String: FixtureCodec]) throws -> [String] {
    let cases = try cases()
    guard !cases.isEmpty else { throw FixtureError("\(path) holds no case") }
    return try cases.compactMap { fixture in
      guard let codec = codecs[fixture.codec] else {
        throw FixtureError("\(path):\(fixture.line): no codec named \(fixture.codec)")
      }
      let expected = try fixture.trace.map(FixtureText.unescape)
      let written = expected.map(FixtureText.escape)
      for cut in FixtureCut.all(of: fixture.input.count) {
        let actual = try codec(cut.pieces(of: fixture.input), fixture.options)
        guard try actual != written && actual.map(FixtureText.unescape) != expected else { continue }
        return """
          \(path):\(fixture.line): \(fixture.name) (\(cut))
          expected:
            \(fixture.trace.joined(separator: "\n  "))
          got:
            \(actual.joined(separator: "\n  "))
          """
      }
      return nil
    }
  }

  /// The cases of the page in order.
  func cases() throws -> [FixtureCase] {
    var cases: [FixtureCase] = []
    var heading = ""
    var input: (line: Int, info: [String], bytes: [UInt8])?
    var block: (line: Int, info: String, body: [String])?

    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      guard let open = block else {
        if line.hasPrefix("#") { heading = line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces) }
        if line.hasPrefix("```") { block = (index + 1, String(line.dropFirst(3)), []) }
        continue
      }
      guard line == "```" else {
        block?.body.append(String(line))
        continue
      }
      block = nil
      guard open.info == "trace" else {
        guard input == nil else { throw FixtureError("\(path):\(open.line): the input before has no trace") }
        let info = open.info.split(separator: " ").map(String.init)
        guard !info.isEmpty else { throw FixtureError("\(path):\(open.line): the block names no codec") }
        input = (open.line, info, try FixtureText.unescape(open.body.joined()))
        continue
      }
      guard let (line, info, bytes) = input else {
        throw FixtureError("\(path):\(open.line): the trace has no input")
      }
      var options: [String: String] = [:]
      for option in info.dropFirst() {
        let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
        options[parts[0]] = parts.count > 1 ? parts[1] : ""
      }
      cases.append(
        FixtureCase(name: heading, line: line, codec: info[0], options: options, input: bytes, trace: open.body))
      input = nil
    }
    if let block { throw FixtureError("\(path):\(block.line): the block does not end") }
    if let input { throw FixtureError("\(path):\(input.line): the block has no trace") }
    return cases
  }
}

/// A mistake in a page.
struct FixtureError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// One way to cut an input.
enum FixtureCut: CustomStringConvertible {
  case whole
  case bytes
  case at(Int)

  /// Whole, byte by byte, and in two at every point; from 2,048 bytes on only at evenly spread points, so that a case
  /// about a limit stays affordable.
  static func all(of count: Int) -> [FixtureCut] {
    guard count > 1 else { return [.whole] }
    return [.whole, .bytes] + stride(from: 1, to: count, by: max(1, count / 1024)).map(FixtureCut.at)
  }

  func pieces(of input: [UInt8]) -> [[UInt8]] {
    switch self {
    case .whole: [input]
    case .bytes: input.map { [$0] }
    case .at(let index): [Array(input[..<index]), Array(input[index...])]
    }
  }

  var description: String {
    switch self {
    case .whole: "whole"
    case .bytes: "byte by byte"
    case .at(let index): "cut after \(index) bytes"
    }
  }
}

/// How pages write bytes: `\r \n \t \0 \\ \xHH`, and `\(text*count)` for a run.
enum FixtureText {
  static func unescape(_ text: String) throws -> [UInt8] {
    var rest = Array(text.utf8)[...]
    return try unescape(&rest, inRun: false)
  }

  private static func unescape(_ rest: inout ArraySlice<UInt8>, inRun: Bool) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let byte = rest.popFirst() {
      if inRun && byte == UInt8(ascii: "*") {
        let digits = rest.prefix { $0 != UInt8(ascii: ")") }
        let number = Int(String(decoding: digits, as: UTF8.self))
        guard let count = number, (0...1 << 20).contains(count), digits.endIndex < rest.endIndex
        else { throw FixtureError("a run needs a count, as in \\(a*100)") }
        rest = rest[(digits.endIndex + 1)...]
        return Array(repeatElement(bytes, count: count).joined())
      }
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      switch rest.popFirst().map({ Character(Unicode.Scalar($0)) }) {
      case "r": bytes.append(13)
      case "n": bytes.append(10)
      case "t": bytes.append(9)
      case "0": bytes.append(0)
      case "\\": bytes.append(92)
      case "*": bytes.append(42)
      case "x":
        let digits = rest.prefix(2)
        guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else {
          throw FixtureError("\\x needs two hexadecimal digits")
        }
        bytes.append(value)
        rest = rest.dropFirst(2)
      case "(": bytes += try unescape(&rest, inRun: true)
      case let other: throw FixtureError("unknown escape \\\(other.map(String.init) ?? "")")
      }
    }
    guard !inRun else { throw FixtureError("a run does not end") }
    return bytes
  }

  static func escape(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
      switch byte {
      case 13: text += "\\r"
      case 10: text += "\\n"
      case 9: text += "\\t"
      case 0: text += "\\0"
      case 92: text += "\\\\"
      case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
      default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return text
  }
}
