import Glibc

/// Paths as they are written in files.
public enum FilePath {
  /// The directory a file is in, empty when its path has none.
  public static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// One that starts nowhere but at the root.
  /// - Parameters: the most bytes that it may have; whether it is that of a directory, which may end with a slash.
  public static func absolute(
    _ path: String, most: Int = Int(PATH_MAX) - 1, isDirectory: Bool
  ) throws(Unfit) -> String {
    if path.utf8.contains(0) { throw Unfit("no path can hold a NUL character") }
    guard path.hasPrefix("/") else { throw Unfit("the path is not absolute: it starts with a slash") }
    let length = path.utf8.count
    guard length <= most else { throw Unfit("the path has \(length) bytes and can have \(most)") }
    guard isDirectory || !["", ".", ".."].contains(path.split(separator: "/", omittingEmptySubsequences: false).last)
    else { throw Unfit("it is the path of a directory, and has to be that of a file in one") }
    return path
  }

  /// A relative path starts from `directory`; `~/` is the home directory.
  public static func resolve(_ path: String, from directory: String, home: String?) -> String {
    if let home, path == "~" || path.hasPrefix("~/") { return home + path.dropFirst() }
    if path.hasPrefix("/") || directory.isEmpty || path.isEmpty { return path }
    let rest = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
    return directory == "/" ? "/\(rest)" : "\(directory)/\(rest)"
  }
}
