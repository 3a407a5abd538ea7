/// Why a text is not what its key takes, where the expected form alone does not say it.
public struct Unfit: Error, Equatable {
  /// Goes on after "`key` has the wrong form: ".
  var reason: String
  /// What was probably meant.
  var suggestion: String?

  public init(_ reason: String, suggestion: String? = nil) {
    self.reason = reason
    self.suggestion = suggestion
  }
}
