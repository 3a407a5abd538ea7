import Foundation
import Testing
import Wire

@testable import Bridge

/// What a server may send, well formed or not, must neither crash the bridge nor leave a request without its answer.
///
/// A run is a seed, or a file of `Tests/Fuzz/corpus/bridge`, whose bytes make the choices. More seeds:
/// `SLUICE_BRIDGE_SEEDS=100000 swift test --filter PeerFuzzTests`. A run that fails says which bytes made it: put them there.
@Suite struct PeerFuzzTests {
  private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../Fuzz/corpus/bridge").standardized

  @Test("every committed run ends in order")
  func replay() throws {
    let files = try FileManager.default.contentsOfDirectory(at: Self.corpus, includingPropertiesForKeys: nil)
    #expect(!files.isEmpty)
    for file in files { check(Array(try Data(contentsOf: file)), file.lastPathComponent) }
  }

  @Test("runs by seed end in order")
  func seeds() {
    let count = ProcessInfo.processInfo.environment["SLUICE_BRIDGE_SEEDS"].flatMap { UInt64($0) } ?? 400
    for seed in 0..<count {
      var state = seed
      let bytes = (0..<300).map { _ in UInt8(truncatingIfNeeded: Self.mix(&state)) }
      check(bytes, "seed \(seed)")
    }
  }

  private static func mix(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  private func check(_ bytes: [UInt8], _ name: String) {
    var run = PeerRun(bytes)
    let problems = run.problems()
    #expect(
      problems.isEmpty, "\(name): \(problems.joined(separator: "; ")); bytes \(Data(bytes).base64EncodedString())")
  }
}

/// One conversation in which each choice is a byte.
private struct PeerRun {
  private var choices: ArraySlice<UInt8>
  private var bench = StateBench(patience: 500)
  /// Exchanges that have a connection, and whether the head of an answer has come.
  private var open: [ExchangeID: Bool] = [:]
  private var seen = 0
  private var abandoned = 0
  private var asked: [String: Int] = [:]
  private var cancelled: Set<String> = []

  init(_ bytes: [UInt8]) { choices = bytes[...] }

  private mutating func choose(_ count: Int) -> Int { Int(choices.popFirst() ?? 0) % count }

  mutating func problems() -> [String] {
    while !choices.isEmpty, !bench.isOver {
      if choose(3) == 0 { say() } else { serve() }
      look()
    }
    bench.inputEnded()
    look()
    // Nobody sends anything any more.
    for _ in 0..<400 where !bench.isOver {
      for id in open.keys.sorted(by: { $0.number < $1.number }) {
        open[id] = nil
        bench.lost(id, .broken)
        look()
      }
      bench.advance(60_000)
      look()
    }
    var problems: [String] = []
    if !bench.isOver { problems.append("it never ends") }
    for (id, count) in asked {
      let answers = bench.lines.filter { Message(Array($0.utf8)).kind == .response && $0.contains("\"id\":\(id),") }
        .count
      let fewest = cancelled.contains(id) ? 0 : count
      if answers < fewest || answers > count { problems.append("\(answers) answers to \(count) requests \(id)") }
    }
    return problems
  }

  /// Follows what the bridge has done.
  private mutating func look() {
    for id in bench.abandoned[abandoned...] { open[id] = nil }
    abandoned = bench.abandoned.count
    for id in bench.order[seen...] { open[id] = false }
    seen = bench.order.count
  }

  private mutating func say() {
    let id = String(100 + asked.count)
    let lines = [
      initialize.replacing("\"id\":0", with: "\"id\":\(id)"),
      modern(id, "tools/call", #""name":"t","arguments":{"r":"x"},"#),
      #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call"}"#, modern(id, "tools/list"), legacy(Int(id) ?? 0, "ping"),
    ]
    switch choose(8) {
    case 5: bench.line(initialized)
    case 6:
      let victim = asked.keys.sorted().last ?? id
      cancelled.insert(victim)
      bench.line(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":\#(victim)}}"#)
    case 7: bench.line(#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
    case let choice:
      asked[id] = 1
      bench.line(lines[choice])
    }
  }

  private mutating func serve() {
    let ids = open.keys.sorted { $0.number < $1.number }
    guard !ids.isEmpty else { return bench.advance(UInt64(choose(255)) * 10) }
    let id = ids[choose(ids.count)]
    switch choose(6) {
    case 0: bench.sent(id)
    case 1:
      let kinds: [Loss.Kind] = [.absent, .broken, .outdated, .malformed, .untrusted]
      let kind = kinds[choose(kinds.count)]
      // Somebody who has answered was there.
      let isAnswering = open[id] == true
      open[id] = nil
      bench.lost(id, isAnswering ? .broken : kind)
    case 2, 3:
      guard open[id] == false else { return body(id) }
      open[id] = true
      let statuses = [200, 200, 200, 202, 400, 404, 405, 500]
      let media: [AnswerHead.Media] = [.json, .events, .other]
      bench.head(
        id, statuses[choose(statuses.count)], media[choose(3)], session: choose(2) == 0 ? "s\(choose(3))" : nil)
    case 4: body(id)
    default: bench.advance(UInt64(choose(255)) * 10)
    }
  }

  private mutating func body(_ id: ExchangeID) {
    guard open[id] == true else { return }
    let own = String(decoding: Message(Array(bench.body(of: id).utf8)).id ?? Array("1".utf8), as: UTF8.self)
    let messages = [
      #"{"jsonrpc":"2.0","id":\#(own),"result":{"protocolVersion":"2025-06-18"}}"#,
      #"{"jsonrpc":"2.0","id":\#(own),"error":{"code":-32020,"message":"m"}}"#,
      #"{"jsonrpc":"2.0","id":\#(own),"result":{"nextCursor":"n","tools":[{"name":"t","inputSchema":{"properties":{"r":"#
        + #"{"type":"string","x-mcp-header":"R"}}}}]}}"#,
      #"{"jsonrpc":"2.0","method":"notifications/x"}"#, "[]", "{\"jsonrpc\"", "\u{FEFF}", "null",
    ]
    let message = messages[choose(messages.count)]
    switch choose(5) {
    case 0: bench.piece(id, message)
    case 1: bench.piece(id, "id: e\(choose(9))\nretry: \(choose(99))\ndata: \(message)\n\n")
    case 2: bench.piece(id, "data: \(message)\n\n")
    case 3: bench.piece(id, String(decoding: (0..<choose(20)).map { _ in UInt8(choose(256)) }, as: UTF8.self))
    default:
      open[id] = nil
      bench.ended(id)
    }
  }
}
