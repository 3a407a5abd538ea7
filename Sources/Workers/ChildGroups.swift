import Configuration
import Reactor
import Synchronization

/// cgroups of version 2 for children that have limits: one for each, beside the group that the gateway itself is in.
///
/// A group whose processes are to be held by groups below it may have none itself. So the gateway moves into one below its
/// own, `gateway`, with what it has started so far; where its service manager has put it into such a group, as systemd does
/// with `DelegateSubgroup=`, there is nothing to move. All of that is done when the first child needs it, and only in a
/// group that was left to the gateway.
public final class ChildGroups: Sendable {
  /// This process is in one group, whoever asks.
  public static let ofThisProcess = ChildGroups()

  enum Controller: String, CaseIterable {
    case memory, cpu, pids
  }

  /// Where groups are made, and what holds them there.
  private struct Home {
    var folder: String
    var controllers: Set<Controller>
  }

  private enum State {
    case unknown
    case found(Home)
    /// Why there can be none, as the end of a sentence.
    case none(String)
  }

  private struct Book {
    var state = State.unknown
    var made: UInt64 = 0
    /// Groups in which something went on after their child had ended.
    var leftovers: [String] = []
    /// Servers of which it was said what is not held.
    var told: Set<String> = []
  }

  private static let leaf = "gateway"

  private let files: GroupFiles
  private let process: Int32
  private let book = Mutex(Book())

  init(_ files: GroupFiles = .system, process: Int32 = System.processID) {
    self.files = files
    self.process = process
  }

  // MARK: Making

  /// A group for a child, as far as groups can hold it; nil where none can, or it has no limit that they know.
  public func make(_ alias: String, _ limits: GatewayConfiguration.ChildLimits) -> ChildGroup? {
    guard limits.memory != nil || limits.milliCPUs != nil || limits.processes != nil else { return nil }
    return book.withLock { book in
      if case .unknown = book.state { book.state = find() }
      guard case .found(let home) = book.state else { return nil }
      book.leftovers.removeAll { files.remove($0) }
      book.made += 1
      let folder = "\(home.folder)/\(alias)-\(process)-\(book.made)"
      guard files.make(folder) else { return nil }
      let held = hold(folder, limits, home.controllers)
      let descriptor = held.isEmpty ? -1 : files.open("\(folder)/cgroup.procs")
      guard descriptor >= 0 else {
        _ = files.remove(folder)
        return nil
      }
      return ChildGroup(folder: folder, held: held, descriptor: descriptor)
    }
  }

  private func hold(
    _ folder: String, _ limits: GatewayConfiguration.ChildLimits, _ controllers: Set<Controller>
  ) -> Set<Controller> {
    var held: Set<Controller> = []
    func write(_ controller: Controller, _ file: String, _ text: String) {
      guard controllers.contains(controller), files.write(text, "\(folder)/\(file)") else { return }
      held.insert(controller)
    }
    if let bytes = limits.memory {
      write(.memory, "memory.max", "\(bytes)")
      // What lacks a part of itself answers nobody: all of it ends.
      if held.contains(.memory) { _ = files.write("1", "\(folder)/memory.oom.group") }
    }
    // Of a period of 100 ms, in microseconds.
    if let share = limits.milliCPUs { write(.cpu, "cpu.max", "\(share * 100) 100000") }
    if let most = limits.processes { write(.pids, "pids.max", "\(most)") }
    return held
  }

  /// The child has started, or could not: it is in the group by now.
  public func started(_ group: ChildGroup) { files.close(group.descriptor) }

  /// The child has ended. What it left behind goes on until the gateway ends, and so does its group.
  /// - Returns: whether it was ended for its memory.
  public func ended(_ group: ChildGroup) -> Bool {
    let wasTooLarge =
      (files.read("\(group.folder)/memory.events") ?? "").split(separator: "\n")
      .contains { $0.hasPrefix("oom_kill ") && $0 != "oom_kill 0" }
    if !files.remove(group.folder) { book.withLock { $0.leftovers.append(group.folder) } }
    return wasTooLarge
  }

  /// Why there are no groups, or none that hold all; nil where that is not so. To be said once of each server.
  public func explanation(for alias: String) -> String? {
    book.withLock { book in
      guard book.told.insert(alias).inserted else { return nil }
      return switch book.state {
      case .none(let reason): reason
      case .unknown: "no cgroup was looked for"
      case .found(let home):
        home.controllers.count < Controller.allCases.count
          ? "\(home.folder) holds \(home.controllers.map(\.rawValue).sorted().joined(separator: ", ")) alone"
          : "no group could be made in \(home.folder)"
      }
    }
  }

  // MARK: Where

  private func find() -> State {
    let folders = ControlGroups(files.read).unified
    guard let own = folders.first else { return .none("there are no cgroups of version 2") }
    if let above = folders.dropFirst().first, isLeft(above, to: own) { return enable(above, own: own) }
    guard files.mayWrite(own) else { return .none("\(own) may not be written to") }
    guard files.isDelegated(own) || !Self.isUnit(own) else {
      return .none("\(own) was not delegated to the gateway (`Delegate=` of its unit)")
    }
    return enable(own, own: own)
  }

  /// Whether the group above is where groups are made, and our own is a leaf for that reason.
  private func isLeft(_ above: String, to own: String) -> Bool {
    guard files.mayWrite(above) else { return false }
    return files.isDelegated(above) || (own == "\(above)/\(Self.leaf)" && !Self.isUnit(above))
  }

  /// Those of systemd are its own unless it says otherwise.
  private static func isUnit(_ folder: String) -> Bool {
    [".service", ".scope", ".slice"].contains { folder.hasSuffix($0) }
  }

  private func enable(_ folder: String, own: String) -> State {
    let available = controllers("\(folder)/cgroup.controllers")
    guard !available.isEmpty else { return .none("\(folder) has no controllers") }
    var enabled = controllers("\(folder)/cgroup.subtree_control")
    let missing = available.subtracting(enabled)
    // Only the root of all has no type, and may have processes and groups below it.
    let moves = !missing.isEmpty && own == folder && files.read("\(folder)/cgroup.type") != nil
    let moved = moves ? move(from: folder) : []
    for controller in missing where files.write("+\(controller.rawValue)", "\(folder)/cgroup.subtree_control") {
      enabled.insert(controller)
    }
    guard !enabled.isEmpty else {
      // As it was.
      for process in moved { _ = files.write("\(process)", "\(folder)/cgroup.procs") }
      if moves { _ = files.remove("\(folder)/\(Self.leaf)") }
      let others = files.processes(of: folder).filter { !files.descends($0, from: process) }
      return .none(
        others.isEmpty
          ? "\(folder)/cgroup.subtree_control can't be written to"
          : "other processes are in \(folder) (\(others.prefix(3).map(String.init).joined(separator: ", ")))")
    }
    sweep(folder)
    return .found(Home(folder: folder, controllers: enabled))
  }

  private func controllers(_ path: String) -> Set<Controller> {
    let words = files.words(path)
    return Set(Controller.allCases.filter { words.contains(Substring($0.rawValue)) })
  }

  /// Takes the gateway and what it has started to a group below; others stay, and are in the way then.
  private func move(from folder: String) -> [Int32] {
    let leaf = "\(folder)/\(Self.leaf)"
    _ = files.make(leaf)
    return files.processes(of: folder).filter { other in
      files.descends(other, from: process) && files.write("\(other)", "\(leaf)/cgroup.procs")
    }
  }

  /// What a gateway left behind that is gone. A group with processes stays by itself.
  private func sweep(_ folder: String) {
    for name in files.names(folder) {
      let parts = name.split(separator: "-")
      guard parts.count > 2, Int(parts[parts.count - 1]) != nil, let maker = Int32(parts[parts.count - 2]),
        files.read("/proc/\(maker)/stat") == nil
      else { continue }
      _ = files.remove("\(folder)/\(name)")
    }
  }
}

/// That of one child.
public struct ChildGroup: Sendable {
  let folder: String
  /// What of its limits is held by it.
  let held: Set<ChildGroups.Controller>
  /// Its `cgroup.procs`, until the child is in it.
  let descriptor: Int32
}

extension Children.Options {
  /// Holds a child by its group, and by rlimits what that does not hold.
  /// - Returns: what is held by less than was asked for, in parts of a sentence.
  public mutating func bound(_ limits: GatewayConfiguration.ChildLimits, _ group: ChildGroup?) -> [String] {
    let held = group?.held ?? []
    var weaker: [String] = []
    self.group = group?.descriptor ?? 0
    if let most = limits.descriptors { mostDescriptors = UInt64(most) }
    if let bytes = limits.memory, !held.contains(.memory) {
      // Of the address space programs take much that they never use, as node and Java do.
      data = UInt64(bytes)
      weaker.append("`memory` is held of the data of each of its processes by itself")
    }
    if let most = limits.processes, !held.contains(.pids) {
      processes = UInt64(most)
      weaker.append("`processes` counts all that its user runs, and does not hold root")
    }
    if limits.milliCPUs != nil, !held.contains(.cpu) { weaker.append("`cpu` is not held") }
    return weaker
  }
}
