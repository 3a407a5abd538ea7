import CReactor
import Glibc

/// Folders and small files whose names are their meaning, as those of cgroups. Each of these asks the kernel and no disk.
extension System {
  /// Puts a text into a file that is there, in one piece.
  public static func write(_ text: String, to path: String) -> Bool {
    let descriptor = openForWriting(path)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    return unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count
  }

  /// A descriptor above those of a program's own, to be closed; negative if that can't be.
  public static func openForWriting(_ path: String) -> Int32 {
    let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
    guard (0...2).contains(descriptor) else { return descriptor }
    defer { close(descriptor) }
    return fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
  }

  public static func closeFile(_ descriptor: Int32) { close(descriptor) }

  public static func makeFolder(_ path: String) -> Bool { unsafe mkdir(path, 0o755) == 0 }

  /// Only an empty one; of a cgroup, one without processes.
  public static func removeFolder(_ path: String) -> Bool { unsafe rmdir(path) == 0 || errno == ENOENT }

  /// The names of what is in a folder.
  public static func names(in path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  public static func mayWrite(_ path: String) -> Bool { unsafe access(path, W_OK) == 0 }

  /// Whether an extended attribute of a file is `1`.
  public static func isMarked(_ path: String, _ attribute: String) -> Bool {
    unsafe cr_system_is_marked(path, attribute)
  }

  public static var processID: Int32 { getpid() }
}
