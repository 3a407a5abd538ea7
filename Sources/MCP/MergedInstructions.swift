/// The instructions of several servers as one text: those of each under a heading with its alias, quoted line by line, so
/// that nothing in them can stand where a heading does and speak in another server's name.
enum MergedInstructions {
  /// - Parameters:
  ///   - texts: in the order of the configuration.
  ///   - limit: bytes of the whole. Each server has an equal share of it, and what one leaves free the others may use.
  static func merge(_ texts: [(alias: String, text: String)], limit: Int) -> String {
    let sections = texts.compactMap { alias, text -> Section? in
      let quoted = quote(text, limit: limit)
      return quoted.isEmpty ? nil : Section(heading: "# \(alias)\n\n", quoted: quoted)
    }
    let rooms = shares(of: limit, among: sections.map { separator.utf8.count + $0.size })
    return zip(sections, rooms).compactMap { $0.cut(to: $1 - separator.utf8.count) }.joined(separator: separator)
  }

  private static let separator = "\n\n"

  private struct Section {
    var heading: String
    var quoted: String

    var size: Int { heading.utf8.count + quoted.utf8.count }

    /// Nil if there is no room for more than the heading.
    func cut(to room: Int) -> String? {
      if size <= room { return heading + quoted }
      let left = room - heading.utf8.count
      guard left > (MergedInstructions.quotation + "…").utf8.count else { return nil }
      return heading + quoted.cut(to: left)
    }
  }

  private static let quotation = "> "

  /// How much each of several may have of a limit: what it wants, or as much as any other that gets less than it wants.
  static func shares(of limit: Int, among wanted: [Int]) -> [Int] {
    var shares = wanted
    var left = limit
    for (done, place) in wanted.indices.sorted(by: { wanted[$0] < wanted[$1] }).enumerated() {
      shares[place] = min(wanted[place], left / (wanted.count - done))
      left -= shares[place]
    }
    return shares
  }

  /// The text with a mark before each line, as far as it may matter: it may come to more than the limit by some bytes.
  private static func quote(_ text: String, limit: Int) -> String {
    var quoted = ""
    var breaks = 0
    var isAfterReturn = false
    for scalar in text.unicodeScalars where quoted.utf8.count <= limit {
      defer { isAfterReturn = scalar == "\r" }
      if scalar == "\n", isAfterReturn { continue }
      if endsLine(scalar) {
        // Those at the beginning and at the end are left out.
        if !quoted.isEmpty { breaks += 1 }
        continue
      }
      guard !isInvisible(scalar) else { continue }
      if quoted.isEmpty { quoted += quotation }
      while breaks > 0, quoted.utf8.count <= limit {
        quoted += "\n" + quotation
        breaks -= 1
      }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted
  }

  /// Whatever somebody may show as the end of a line.
  private static func endsLine(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x0A...0x0D, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// Control characters, marks that change in which order text is shown, and tags, which a model reads and nobody sees.
  private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09: false
    case ...0x1F, 0x7F...0x9F: true
    case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    case 0xFEFF, 0xE0000...0xE007F: true
    default: false
    }
  }
}

extension String {
  /// At most so many bytes of it, with an ellipsis in place of the rest; cut between characters, so that it is still text.
  func cut(to limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var end = startIndex
    var bytes = 0
    while end < endIndex, bytes + self[end].utf8.count <= limit - 3 {
      bytes += self[end].utf8.count
      formIndex(after: &end)
    }
    return self[..<end] + "…"
  }
}
