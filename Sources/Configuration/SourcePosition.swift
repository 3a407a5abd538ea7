/// A place in what the operator wrote: a file, an inline argument (`--mcp-json`), or an environment variable.
package struct SourcePosition: Sendable, Hashable, CustomStringConvertible {
  /// The path as it was given, or the name of the flag or variable.
  package var file: String
  /// From 1; 0 where there are no lines, as in a flag.
  package var line: Int
  /// From 1, in characters; 0 where there are none.
  package var column: Int

  package init(file: String, line: Int = 0, column: Int = 0) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// `file:line:column`, or the name alone.
  package var description: String {
    line > 0 ? "\(file):\(line):\(column)" : file
  }
}
