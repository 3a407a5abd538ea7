/// Finds what a misspelt word was probably meant to be.
public enum Suggestion {
  /// The candidate closest to `word`, unless all of them are too far away to be meant.
  public static func nearest(to word: String, among candidates: [String]) -> String? {
    let plain = normalized(word)
    if let same = candidates.first(where: { normalized($0) == plain }) { return same }
    let limit = max(1, plain.count / 3)
    let ranked = candidates.map { (candidate: $0, distance: distance(plain, normalized($0))) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }), best.distance <= limit else { return nil }
    return best.candidate
  }

  /// `maxConnections`, `max-connections` and `MAX_CONNECTIONS` are spellings of one word.
  private static func normalized(_ word: String) -> [UInt8] {
    var letters: [UInt8] = []
    for byte in word.utf8 where byte != UInt8(ascii: "_") && byte != UInt8(ascii: "-") {
      letters.append((65...90).contains(byte) ? byte + 32 : byte)
    }
    return letters
  }

  /// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
  static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    if first.isEmpty || second.isEmpty { return max(first.count, second.count) }
    var beforeLast = [Int](repeating: 0, count: second.count + 1)
    var last = Array(0...second.count)
    for row in 1...first.count {
      var current = [row] + [Int](repeating: 0, count: second.count)
      for column in 1...second.count {
        let same = first[row - 1] == second[column - 1]
        current[column] = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (same ? 0 : 1))
        if row > 1, column > 1, first[row - 1] == second[column - 2], first[row - 2] == second[column - 1] {
          current[column] = min(current[column], beforeLast[column - 2] + 1)
        }
      }
      (beforeLast, last) = (last, current)
    }
    return last[second.count]
  }
}
