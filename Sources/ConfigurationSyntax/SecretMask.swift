/// Hides what looks like a secret in what is printed of a server.
public enum SecretMask {
  private static let names = ["key", "token", "secret", "passw", "auth", "credential"]

  /// `--api-key x` and `--token=x` without the x, and addresses without what may be a key in them.
  public static func masked(_ arguments: [String]) -> [String] {
    var hideNext = false
    return arguments.map { argument in
      let isFlag = argument.hasPrefix("-")
      defer { hideNext = isFlag && !argument.contains("=") && isSecret(argument) }
      if hideNext && !isFlag { return "***" }
      guard let equals = argument.firstIndex(of: "=") else { return address(argument) }
      let name = argument[...equals]
      // The first sign of equality may be that of a query.
      if name.contains("://") { return address(argument) }
      return name + (isSecret(String(name)) ? "***" : address(String(argument[argument.index(after: equals)...])))
    }
  }

  /// What follows the scheme of `postgres://user:password@host/name` is the business of who is started.
  private static func address(_ text: String) -> String {
    guard let separator = text.firstRange(of: "://") else { return text }
    if let url = try? EndpointURL(parsing: text) { return url.masked() }
    return text[..<separator.upperBound] + "***"
  }

  private static func isSecret(_ name: String) -> Bool {
    let lower = name.lowercased()
    return names.contains { lower.contains($0) }
  }
}
