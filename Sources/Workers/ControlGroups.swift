/// The cgroups that a process is in, of version 1, 2 or both (cgroups(7)), and what they allow it. A limit of any group
/// above its own counts too. A value over whoever reads files, as there is no other way to look at them.
public struct ControlGroups {
  public typealias Reader = (_ path: String) -> String?

  /// Where one hierarchy is mounted and where in it the process is: the files of its own group, and of those above it.
  private struct Hierarchy {
    var isUnified: Bool
    /// Its own group's folder first, the mount point last.
    var folders: [String]
  }

  private let read: Reader
  private var memory: [Hierarchy] = []
  private var processor: [Hierarchy] = []
  /// The process's own group in the hierarchy of version 2, then those above it; empty if there is none.
  private(set) var unified: [String] = []

  public init(_ read: @escaping Reader) {
    self.read = read
    let places = Self.places(read("/proc/self/cgroup") ?? "")
    for line in (read("/proc/self/mountinfo") ?? "").split(separator: "\n") {
      guard let mount = Mount(line), let found = places.first(where: { mount.holds($0) }) else { continue }
      let hierarchy = Hierarchy(isUnified: mount.isUnified, folders: mount.folders(of: found.path))
      if mount.isUnified, unified.isEmpty { unified = hierarchy.folders }
      // Both are looked for in a unified hierarchy: a controller that works in version 1 has no files there.
      if mount.isUnified || found.controllers.contains("memory") { memory.append(hierarchy) }
      if mount.isUnified || found.controllers.contains("cpu") { processor.append(hierarchy) }
    }
  }

  /// A line of `/proc/self/cgroup`: without controllers it is that of version 2.
  private struct Place {
    var controllers: [Substring]
    var path: Substring
  }

  private static func places(_ text: String) -> [Place] {
    text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3, fields[2].hasPrefix("/") else { return nil }
      return Place(controllers: fields[1].split(separator: ","), path: fields[2])
    }
  }

  /// A line of `/proc/self/mountinfo` (proc(5)) that is about cgroups.
  private struct Mount {
    var isUnified: Bool
    /// The group that is seen at the mount point.
    var root: Substring
    var point: String
    var controllers: [Substring]

    init?(_ line: Substring) {
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash > 4, fields.count > dash + 3 else { return nil }
      let kind = fields[dash + 1]
      guard kind == "cgroup" || kind == "cgroup2" else { return nil }
      isUnified = kind == "cgroup2"
      root = fields[3]
      point = String(fields[4].replacing("\\040", with: " "))
      controllers = fields[dash + 3].split(separator: ",")
    }

    func holds(_ place: Place) -> Bool {
      if isUnified || place.controllers.isEmpty { return isUnified && place.controllers.isEmpty }
      return place.controllers.contains(where: controllers.contains)
    }

    /// In a container the mount often shows its own group and no more, whatever the group is called outside.
    func folders(of group: Substring) -> [String] {
      var below = group == "/" ? "" : group
      if root != "/" { below = group.hasPrefix(root) ? group.dropFirst(root.count) : "" }
      var folders: [String] = []
      while let slash = below.lastIndex(of: "/") {
        folders.append(point + below)
        below = below[..<slash]
      }
      return folders + [point]
    }
  }

  // MARK: Memory

  /// A group that limits memory.
  public struct MemoryLimit: Equatable, Sendable {
    var bytes: UInt64
    var folder: String
    var isUnified: Bool
  }

  /// Version 1 writes a number near the largest where there is no limit.
  private static let unlimited = UInt64(1) << 60

  /// The tightest of them; nil if there is none.
  var memoryLimit: MemoryLimit? {
    var least: MemoryLimit?
    for hierarchy in memory {
      for folder in hierarchy.folders {
        let file = hierarchy.isUnified ? "memory.max" : "memory.limit_in_bytes"
        guard let bytes = number(folder, file), bytes > 0, bytes < Self.unlimited, bytes < least?.bytes ?? .max
        else { continue }
        least = MemoryLimit(bytes: bytes, folder: folder, isUnified: hierarchy.isUnified)
      }
    }
    return least
  }

  /// What counts against a limit now, children and the kernel's part included, without the cached files that the kernel
  /// drops when it wants memory.
  public func memoryUse(_ limit: MemoryLimit) -> UInt64? {
    let file = limit.isUnified ? "memory.current" : "memory.usage_in_bytes"
    guard let used = number(limit.folder, file) else { return nil }
    let names = limit.isUnified ? ["inactive_file", "active_file"] : ["total_inactive_file", "total_active_file"]
    var cached: UInt64 = 0
    for line in (read("\(limit.folder)/memory.stat") ?? "").split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count == 2, names.contains(String(fields[0])), let bytes = UInt64(fields[1]) else { continue }
      cached += bytes
    }
    return used - min(cached, used)
  }

  // MARK: Processors

  /// Whole processors that the tightest quota comes to; nil if there is none.
  var processors: Int? {
    var least: Int?
    for hierarchy in processor {
      for folder in hierarchy.folders {
        guard let quota = quota(folder, isUnified: hierarchy.isUnified) else { continue }
        least = min(least ?? .max, quota)
      }
    }
    return least
  }

  private func quota(_ folder: String, isUnified: Bool) -> Int? {
    let allowed: Int?
    let period: Int?
    if isUnified {
      // Microseconds in a period, or "max", and the period.
      let fields = (read("\(folder)/cpu.max") ?? "").split { $0.isWhitespace }
      guard fields.count == 2 else { return nil }
      (allowed, period) = (Int(fields[0]), Int(fields[1]))
    } else {
      allowed = number(folder, "cpu.cfs_quota_us").map { Int(clamping: $0) }
      period = number(folder, "cpu.cfs_period_us").map { Int(clamping: $0) }
    }
    guard let allowed, let period, allowed > 0, period > 0, allowed < .max - period else { return nil }
    return (allowed + period - 1) / period
  }

  private func number(_ folder: String, _ file: String) -> UInt64? {
    read("\(folder)/\(file)")?.split(separator: "\n").first.flatMap { UInt64($0) }
  }
}
