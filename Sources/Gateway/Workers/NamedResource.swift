/// How somebody named a resource, or what it lies below.
struct NamedResource {
  /// The resource itself, not what it lies below.
  var isItself: Bool
  /// By a URI that bears the mark of its server.
  var isMarked: Bool
}
