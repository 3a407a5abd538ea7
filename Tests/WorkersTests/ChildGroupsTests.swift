import Configuration
import Reactor
import Synchronization
import Testing

@testable import Workers

@Suite("cgroups of children")
struct ChildGroupsTests {
  /// A tree of groups as the kernel has them, as far as it matters here.
  private final class Tree: Sendable {
    struct Content {
      var files: [String: String] = [:]
      var folders: Set<String> = []
      var delegated: Set<String> = []
      var isReadOnly = false
    }

    let content: Mutex<Content>
    static let root = "/sys/fs/cgroup"

    /// - Parameter processes: who is in which group; the gateway is 100, 101 came of it, all others have been started by 1.
    init(
      own: String, available: String = "cpuset cpu io memory pids", processes: [String: [Int]],
      enabled: [String: String] = [:], delegated: Set<String> = [], isReadOnly: Bool = false
    ) {
      var content = Content()
      content.isReadOnly = isReadOnly
      content.files["/proc/self/cgroup"] = "0::\(own)\n"
      content.files["/proc/self/mountinfo"] = "31 23 0:28 / \(Self.root) rw - cgroup2 cgroup2 rw\n"
      content.files["/proc/100/stat"] = "100 (sluice) S 1 100"
      content.files["/proc/101/stat"] = "101 (a ) b) S 100 101"
      for other in [7, 8] { content.files["/proc/\(other)/stat"] = "\(other) (sh) S 1 \(other)" }
      content.delegated = Set(delegated.map { Self.root + $0 })
      for (group, members) in processes {
        let folder = Self.root + group
        content.folders.insert(folder)
        content.files["\(folder)/cgroup.procs"] = members.map { "\($0)\n" }.joined()
        content.files["\(folder)/cgroup.type"] = "domain\n"
        content.files["\(folder)/cgroup.controllers"] = available
        content.files["\(folder)/cgroup.subtree_control"] = enabled[group] ?? ""
      }
      self.content = Mutex(content)
    }

    func file(_ path: String) -> String? { content.withLock { $0.files[Self.root + path] } }
    var folders: [String] {
      content.withLock { $0.folders.map { String($0.dropFirst(Self.root.count)) } }.sorted()
    }

    private static func write(_ text: String, _ path: String, _ content: inout Content) -> Bool {
      guard !content.isReadOnly, let slash = path.lastIndex(of: "/"), content.folders.contains(String(path[..<slash]))
      else { return false }
      let folder = String(path[..<slash])
      switch path[slash...] {
      case "/cgroup.procs":
        for place in content.folders {
          let members = (content.files["\(place)/cgroup.procs"] ?? "").split(separator: "\n").filter { $0 != text }
          content.files["\(place)/cgroup.procs"] = members.map { "\($0)\n" }.joined()
        }
        content.files[path, default: ""] += "\(text)\n"
      case "/cgroup.subtree_control":
        guard content.files["\(folder)/cgroup.procs"]?.isEmpty != false || content.files["\(folder)/cgroup.type"] == nil
        else { return false }
        content.files[path, default: ""] += " \(text.dropFirst())"
      default: content.files[path] = text
      }
      return true
    }

    var groupFiles: GroupFiles {
      GroupFiles(
        read: { path in self.content.withLock { $0.files[path] } },
        write: { text, path in self.content.withLock { Self.write(text, path, &$0) } },
        open: { path in
          self.content.withLock { $0.folders.contains(String(path.dropLast("/cgroup.procs".count))) ? 9 : -1 }
        }, close: { _ in },
        make: { folder in self.content.withLock { !$0.isReadOnly && $0.folders.insert(folder).inserted } },
        remove: { folder in
          self.content.withLock { content in
            guard content.files["\(folder)/cgroup.procs"]?.isEmpty != false else { return false }
            content.folders.remove(folder)
            return true
          }
        },
        names: { folder in
          self.content.withLock { content in
            content.folders.filter { $0.hasPrefix("\(folder)/") }.map { String($0.dropFirst(folder.count + 1)) }
          }
        }, mayWrite: { _ in self.content.withLock { !$0.isReadOnly } },
        isDelegated: { folder in self.content.withLock { $0.delegated.contains(folder) } })
    }

    var groups: ChildGroups { ChildGroups(groupFiles, process: 100) }
  }

  private var limits: GatewayConfiguration.ChildLimits {
    var limits = GatewayConfiguration.ChildLimits()
    (limits.memory, limits.milliCPUs, limits.processes) = (64 << 20, 1500, 20)
    return limits
  }

  @Test("are made below the group that was left to the gateway, which moves out of their way with what it started")
  func delegated() throws {
    let tree = Tree(own: "/a.service", processes: ["/a.service": [100, 101]], delegated: ["/a.service"])
    let groups = tree.groups
    let group = try #require(groups.make("files", limits))
    #expect(tree.folders == ["/a.service", "/a.service/files-100-1", "/a.service/gateway"])
    #expect(tree.file("/a.service/gateway/cgroup.procs")?.split(separator: "\n").sorted() == ["100", "101"])
    #expect(tree.file("/a.service/files-100-1/memory.max") == "67108864")
    #expect(tree.file("/a.service/files-100-1/memory.oom.group") == "1")
    #expect(tree.file("/a.service/files-100-1/cpu.max") == "150000 100000")
    #expect(tree.file("/a.service/files-100-1/pids.max") == "20")
    var options = Children.Options()
    #expect(options.bound(limits, group).isEmpty && options.data == 0 && options.processes == 0 && options.group == 9)
  }

  @Test("are made beside the group that a service manager or a former gateway has put this one into")
  func leaf() throws {
    let managed = Tree(
      own: "/a.service/inner", processes: ["/a.service/inner": [100], "/a.service": []], delegated: ["/a.service"])
    _ = try #require(managed.groups.make("x", limits))
    #expect(managed.folders.contains("/a.service/x-100-1") && !managed.folders.contains("/a.service/gateway"))
    let former = Tree(own: "/gateway", processes: ["/gateway": [100], "": []], enabled: ["": "memory"])
    _ = try #require(former.groups.make("x", limits))
    #expect(former.folders.contains("/x-100-1"))
    #expect(former.file("/gateway/cgroup.procs") == "100\n")
  }

  @Test("are none where others are in the group, and then all is as it was")
  func others() {
    let tree = Tree(own: "/box", processes: ["/box": [7, 100, 101]])
    let groups = tree.groups
    #expect(groups.make("x", limits) == nil)
    #expect(tree.folders == ["/box"])
    #expect(tree.file("/box/cgroup.procs")?.split(separator: "\n").sorted() == ["100", "101", "7"])
    #expect(groups.explanation(for: "x") == "other processes are in /sys/fs/cgroup/box (7)")
    #expect(groups.explanation(for: "x") == nil, "it is said once")
    #expect(groups.explanation(for: "y") != nil)
  }

  @Test("are none in a unit that a service manager has not let go of")
  func undelegated() {
    let tree = Tree(own: "/a.service", processes: ["/a.service": [100]])
    let groups = tree.groups
    #expect(groups.make("x", limits) == nil && tree.folders == ["/a.service"])
    #expect(groups.explanation(for: "x")?.contains("was not delegated") == true)
  }

  @Test("are none where nothing may be written, and where there is nothing to write to")
  func none() {
    let readOnly = Tree(own: "/", processes: ["": [100]], isReadOnly: true).groups
    #expect(readOnly.make("x", limits) == nil)
    #expect(readOnly.explanation(for: "x") == "/sys/fs/cgroup may not be written to")
    let bare = Tree(own: "/", available: "hugetlb", processes: ["": [100]]).groups
    #expect(bare.make("x", limits) == nil)
    #expect(bare.explanation(for: "x") == "/sys/fs/cgroup has no controllers")
  }

  @Test("are made for those limits alone that they can hold; rlimits hold the others, and what is weaker is said")
  func weaker() throws {
    let tree = Tree(own: "/box", available: "pids", processes: ["/box": [100]])
    let groups = tree.groups
    let group = try #require(groups.make("x", limits))
    var options = Children.Options()
    #expect(
      options.bound(limits, group) == [
        "`memory` is held of the data of each of its processes by itself", "`cpu` is not held",
      ])
    #expect(options.data == 64 << 20 && options.processes == 0)
    #expect(groups.explanation(for: "x") == "/sys/fs/cgroup/box holds pids alone")
    var alone = Children.Options()
    #expect(alone.bound(limits, nil).count == 3)
    #expect(alone.processes == 20 && alone.group == 0)
    var descriptors = GatewayConfiguration.ChildLimits()
    descriptors.descriptors = 30
    #expect(groups.make("x", descriptors) == nil, "no group is needed")
    #expect(alone.bound(descriptors, nil).isEmpty && alone.mostDescriptors == 30)
  }

  @Test("go when their child has ended, or later if something of it goes on")
  func ending() throws {
    let tree = Tree(own: "/box", processes: ["/box": [100]])
    let groups = tree.groups
    let first = try #require(groups.make("x", limits))
    let second = try #require(groups.make("x", limits))
    _ = tree.groupFiles.write("8", "\(Tree.root)/box/x-100-1/cgroup.procs")
    #expect(!groups.ended(first) && !groups.ended(second))
    #expect(tree.folders == ["/box", "/box/gateway", "/box/x-100-1"])
    _ = tree.groupFiles.write("8", "\(Tree.root)/box/gateway/cgroup.procs")
    _ = try #require(groups.make("x", limits))
    #expect(tree.folders == ["/box", "/box/gateway", "/box/x-100-3"])
  }

  @Test("tell that a child was ended for its memory")
  func memory() throws {
    let tree = Tree(own: "/box", processes: ["/box": [100]])
    let groups = tree.groups
    for (events, isTooLarge) in [("max 3\noom 1\noom_kill 0\n", false), ("oom 1\noom_kill 2\n", true)] {
      let group = try #require(groups.make("x", limits))
      _ = tree.groupFiles.write(events, "\(group.folder)/memory.events")
      #expect(groups.ended(group) == isTooLarge)
    }
  }

  @Test("that a gateway left behind go when the next one needs some")
  func sweep() throws {
    let tree = Tree(
      own: "/box",
      processes: ["/box": [100], "/box/x-77-1": [], "/box/x-77-2": [8], "/box/y-8-1": [], "/box/mine": []])
    _ = try #require(tree.groups.make("x", limits))
    #expect(
      tree.folders == ["/box", "/box/gateway", "/box/mine", "/box/x-100-1", "/box/x-77-2", "/box/y-8-1"])
  }
}
