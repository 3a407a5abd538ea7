import Testing

/// `#expect` takes its operands apart, which values that can't be copied or can't escape do not allow.
func check(_ holds: Bool, _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(holds, "\(comment)", sourceLocation: sourceLocation)
}
