import Reactor
import Testing

@testable import Workers

/// What cgroups of both versions allow, read from trees of files as systems have them.
@Suite("Control groups")
struct ControlGroupsTests {
  struct System: CustomTestStringConvertible {
    let testDescription: String
    let files: [String: String]
    var memory: UInt64?
    var used: UInt64?
    var processors: Int?

    func groups() -> ControlGroups { ControlGroups { files[$0] } }
  }

  private static let mebibyte = UInt64(1) << 20
  private static let unified = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
  private static let separate = """
    31 23 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
    35 31 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory
    36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct

    """

  static let systems: [System] = [
    System(testDescription: "nothing is known", files: [:]),
    System(
      testDescription: "version 2, a limit of its own",
      files: [
        "/proc/self/cgroup": "0::/system.slice/sluice.service\n", "/proc/self/mountinfo": unified,
        "/sys/fs/cgroup/system.slice/sluice.service/memory.max": "629145600\n",
        "/sys/fs/cgroup/system.slice/sluice.service/memory.current": "104857600\n",
        "/sys/fs/cgroup/system.slice/sluice.service/memory.stat":
          "anon 1000\nfile 40000000\ninactive_file 20000000\nactive_file 10000000\n",
        "/sys/fs/cgroup/system.slice/sluice.service/cpu.max": "150000 100000\n",
        "/sys/fs/cgroup/system.slice/memory.max": "max\n", "/sys/fs/cgroup/system.slice/cpu.max": "max 100000\n",
      ], memory: 600 * mebibyte, used: 74_857_600, processors: 2),
    System(
      testDescription: "version 2, a group above is tighter",
      files: [
        "/proc/self/cgroup": "0::/a/b/c\n", "/proc/self/mountinfo": unified,
        "/sys/fs/cgroup/a/b/c/memory.max": "629145600\n", "/sys/fs/cgroup/a/memory.max": "314572800\n",
        "/sys/fs/cgroup/a/memory.current": "1000\n", "/sys/fs/cgroup/a/cpu.max": "50000 100000\n",
      ], memory: 300 * mebibyte, used: 1000, processors: 1),
    System(
      testDescription: "version 2 in a container, which sees its own group as the root",
      files: [
        "/proc/self/cgroup": "0::/\n",
        "/proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
        "/sys/fs/cgroup/memory.max": "629145600\n", "/sys/fs/cgroup/memory.current": "5000\n",
      ], memory: 600 * mebibyte, used: 5000),
    System(
      testDescription: "version 1, a limit of its own",
      files: [
        "/proc/self/cgroup": "4:memory:/sluice\n2:cpu,cpuacct:/sluice\n1:name=systemd:/\n0::/\n",
        "/proc/self/mountinfo": separate,
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/memory/sluice/memory.limit_in_bytes": "629145600\n",
        "/sys/fs/cgroup/memory/sluice/memory.usage_in_bytes": "104857600\n",
        "/sys/fs/cgroup/memory/sluice/memory.stat":
          "cache 1\ninactive_file 7\ntotal_inactive_file 20000000\ntotal_active_file 10000000\n",
        "/sys/fs/cgroup/cpu,cpuacct/sluice/cpu.cfs_quota_us": "300000\n",
        "/sys/fs/cgroup/cpu,cpuacct/sluice/cpu.cfs_period_us": "100000\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
      ], memory: 600 * mebibyte, used: 74_857_600, processors: 3),
    System(
      testDescription: "version 1 in a container, whose mount shows its own group alone",
      files: [
        "/proc/self/cgroup": "4:memory:/docker/0123\n",
        "/proc/self/mountinfo": "35 31 0:32 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "629145600\n",
      ], memory: 600 * mebibyte),
    System(
      testDescription: "version 1 in a group below the one that the mount shows",
      files: [
        "/proc/self/cgroup": "4:memory:/docker/0123/inner\n",
        "/proc/self/mountinfo": "35 31 0:32 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        "/sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "1048576\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "629145600\n",
      ], memory: mebibyte),
    System(
      testDescription: "both, with memory in version 1",
      files: [
        "/proc/self/cgroup": "4:memory:/x\n0::/x\n",
        "/proc/self/mountinfo": separate + "37 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "629145600\n",
        "/sys/fs/cgroup/memory/x/memory.usage_in_bytes": "7\n",
      ], memory: 600 * mebibyte, used: 7),
    System(
      testDescription: "no limit anywhere",
      files: [
        "/proc/self/cgroup": "4:memory:/x\n0::/y\n", "/proc/self/mountinfo": separate + unified,
        "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/y/memory.max": "max\n", "/sys/fs/cgroup/y/cpu.max": "max 100000\n",
      ]),
    System(
      testDescription: "files that say something else",
      files: [
        "/proc/self/cgroup": "nonsense\n::\n0:x\n4:memory:relative\n0::/x\n",
        "/proc/self/mountinfo": "1 2 3\n- - - cgroup2\n" + unified,
        "/sys/fs/cgroup/x/memory.max": "much\n", "/sys/fs/cgroup/x/cpu.max": "1\n",
        "/sys/fs/cgroup/memory.max": "0\n",
      ]),
  ]

  @Test("the tightest limit of any group counts, with what is used of it", arguments: systems)
  func limits(system: System) {
    let groups = system.groups()
    #expect(groups.memoryLimit?.bytes == system.memory)
    #expect(groups.memoryLimit.flatMap(groups.memoryUse) == system.used)
    #expect(groups.processors == system.processors)
  }
}

@Suite("What the process may use")
struct AllowanceTests {
  private func allowance(
    group: UInt64? = nil, machine: UInt64 = 1000, space: UInt64 = .max, data: UInt64 = .max, quota: Int? = nil
  ) -> Allowance {
    var files = ["/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n"]
    if let group { files["/cg/memory.max"] = "\(group)" }
    if let quota { files["/cg/cpu.max"] = "\(quota * 100) 100" }
    let groups = ControlGroups { [files] in files[$0] }
    return Allowance(
      groups, machine: machine, rlimits: System.MemorySizes(space: space, resident: .max, data: data), processors: 4)
  }

  @Test("the least of machine, cgroup and rlimits counts")
  func least() {
    #expect(allowance().memory == 1000)
    #expect(allowance(group: 600).memory == 600)
    #expect(allowance(group: 600, space: 500).memory == 500)
    #expect(allowance(group: 600, data: 400).memory == 400)
    #expect(allowance(machine: 0).memory == 0)
    #expect(allowance(machine: 0, data: 400).memory == 400)
    #expect(allowance().processors == 4)
    #expect(allowance(quota: 2).processors == 2)
    #expect(allowance(quota: 9).processors == 4)
  }

  @Test("each bound is compared with what it counts, and the fullest one counts")
  func fullest() {
    let use = System.MemorySizes(space: 900, resident: 100, data: 300)
    #expect(allowance().fullest(use) == Allowance.Fill(used: 100, limit: 1000))
    #expect(allowance(group: 500).fullest(use) == Allowance.Fill(used: 100, limit: 500))
    #expect(allowance(group: 500).fullest(use, inGroup: 450) == Allowance.Fill(used: 450, limit: 500))
    #expect(allowance(group: 500, space: 950).fullest(use, inGroup: 450) == Allowance.Fill(used: 900, limit: 950))
    #expect(allowance(data: 310).fullest(use) == Allowance.Fill(used: 300, limit: 310))
    #expect(allowance(machine: 0).fullest(use) == .unknown)
  }
}
