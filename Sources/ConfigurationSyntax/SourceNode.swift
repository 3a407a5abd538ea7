/// A value as it was written, YAML or JSON alike, with its place. Scalars stay text: what they mean is for the key to say,
/// so that `PORT: 8080` is a string in an environment and a number in a listener.
public struct SourceNode {
  public var position: SourcePosition
  public var content: Content

  public init(position: SourcePosition, content: Content) {
    self.position = position
    self.content = content
  }

  public enum Content {
    case null
    case scalar(String)
    case sequence([SourceNode])
    case mapping([Entry])
  }

  public struct Entry {
    public var key: String
    public var keyPosition: SourcePosition
    public var value: SourceNode
  }

  /// How a message names what it found instead of what it expected.
  public var summary: String {
    switch content {
    case .null: return "nothing"
    case .scalar(let text):
      let shown = text.count > 60 ? text.prefix(57) + "..." : text[...]
      return "`\(shown)`"
    case .sequence: return "a list"
    case .mapping: return "a mapping"
    }
  }
}

/// A value that was read, with its place for the checks that come later.
public struct Located<Value> {
  public var value: Value
  public var position: SourcePosition
  /// The text as it was written, where variables were put into it: for reports, as what they hold may be a secret.
  public var template: String?
}

extension Located: Sendable where Value: Sendable {}
