extension EndpointURL {
  /// The URL for reports. Providers put keys into queries and paths, so of those only what is plainly a word is shown: no
  /// value of the query, and of the path words and versions that stood there as they are.
  /// - Parameter template: the URL as it was written, where variables were put into it; what came from one is not shown.
  public func masked(template: String? = nil) -> String {
    let question = target.firstIndex(of: "?")
    let path = target[..<(question ?? target.endIndex)]
    let written = template.map { Set($0.split(separator: "/")) }
    let segments = path.split(separator: "/", omittingEmptySubsequences: false).map { segment -> Substring in
      if segment.isEmpty { return segment }
      return Self.isPlain(segment) && written?.contains(segment) != false ? segment : "***"
    }
    var shown = self
    shown.target = segments.joined(separator: "/") + (question == nil ? "" : "?***")
    return shown.description
  }

  /// Words of at most 12 letters in one case, `v1`, `2.0`: too little to be a key.
  private static func isPlain(_ segment: Substring) -> Bool {
    segment.utf8.count <= 32
      && segment.split(omittingEmptySubsequences: false, whereSeparator: { "-_.".contains($0) }).allSatisfy { word in
        word.utf8.count <= 12
          && (word.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
            || word.wholeMatch(of: #/v?[0-9]{1,2}/#) != nil)
      }
  }
}
