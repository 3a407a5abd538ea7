/// How somebody named a resource, or what it lies below.
public struct NamedResource {
  /// The resource itself, not what it lies below.
  public var isItself: Bool
  /// By a URI that bears the mark of its server.
  public var isMarked: Bool

  public init(isItself: Bool, isMarked: Bool) {
    self.isItself = isItself
    self.isMarked = isMarked
  }
}
