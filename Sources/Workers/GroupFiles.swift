import Reactor

/// The files by which cgroups are looked at and made (cgroups(7)). A value over whoever has them.
struct GroupFiles: Sendable {
  var read: @Sendable (_ path: String) -> String?
  var write: @Sendable (_ text: String, _ path: String) -> Bool
  /// A descriptor to write to; negative if there is none to be had.
  var open: @Sendable (_ path: String) -> Int32
  var close: @Sendable (_ descriptor: Int32) -> Void
  var make: @Sendable (_ folder: String) -> Bool
  /// True also of one that is gone.
  var remove: @Sendable (_ folder: String) -> Bool
  var names: @Sendable (_ folder: String) -> [String]
  var mayWrite: @Sendable (_ path: String) -> Bool
  /// Whether a service manager has left a group to whoever runs in it (`Delegate=`).
  var isDelegated: @Sendable (_ folder: String) -> Bool

  static let system = GroupFiles(
    read: System.text(of:), write: System.write(_:to:), open: System.openForWriting, close: System.closeFile,
    make: System.makeFolder, remove: System.removeFolder, names: System.names(in:), mayWrite: System.mayWrite,
    isDelegated: { System.isMarked($0, "user.delegate") || System.isMarked($0, "trusted.delegate") })

  /// The words of a file.
  func words(_ path: String) -> Set<Substring> { Set((read(path) ?? "").split { $0.isWhitespace }) }

  /// The processes of a group.
  func processes(of folder: String) -> [Int32] {
    (read("\(folder)/cgroup.procs") ?? "").split(separator: "\n").compactMap { Int32($0) }
  }

  /// Whether a process is another or comes of it, as far as their ancestors live.
  func descends(_ process: Int32, from ancestor: Int32) -> Bool {
    var process = process
    for _ in 0..<64 where process > 0 {
      if process == ancestor { return true }
      process = parent(of: process)
    }
    return false
  }

  /// Of `/proc/[pid]/stat`, where the name is in parentheses and may hold any byte.
  private func parent(of process: Int32) -> Int32 {
    guard let text = read("/proc/\(process)/stat"), let name = text.lastIndex(of: ")") else { return 0 }
    let fields = text[text.index(after: name)...].split(separator: " ")
    return fields.count > 1 ? Int32(fields[1]) ?? 0 : 0
  }
}
