/// A place in what the operator wrote: a file, an inline argument (`--mcp-json`), or an environment variable.
public struct SourcePosition: Sendable, Hashable, CustomStringConvertible {
  /// The path as it was given, or the name of the flag or variable.
  public var file: String
  /// From 1; 0 where there are no lines, as in a flag.
  public var line: Int
  /// From 1, in characters; 0 where there are none.
  public var column: Int

  public init(file: String, line: Int = 0, column: Int = 0) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// `file:line:column`, or the name alone.
  public var description: String {
    line > 0 ? "\(file):\(line):\(column)" : file
  }
}
