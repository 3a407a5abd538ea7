/// Paths as they are written in files.
enum FilePath {
  /// The directory a file is in, empty when its path has none.
  static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// A relative path starts from `directory`; `~/` is the home directory.
  static func resolve(_ path: String, from directory: String, home: String?) -> String {
    if let home, path == "~" || path.hasPrefix("~/") { return home + path.dropFirst() }
    if path.hasPrefix("/") || directory.isEmpty || path.isEmpty { return path }
    let rest = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
    return directory == "/" ? "/\(rest)" : "\(directory)/\(rest)"
  }
}
