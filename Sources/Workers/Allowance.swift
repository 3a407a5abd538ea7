import Reactor

/// What this process may use of the machine: the least of what the machine has, its cgroups allow and its rlimits allow.
public struct Allowance: Equatable, Sendable {
  /// Whole processors, at least 1.
  public var processors: Int
  /// The machine's memory; 0 if unknown.
  var machine: UInt64
  public var group: ControlGroups.MemoryLimit?
  var rlimits: System.MemorySizes

  init(
    _ groups: ControlGroups, machine: UInt64 = System.machineMemory, rlimits: System.MemorySizes = System.memoryLimits,
    processors: Int = System.processors
  ) {
    self.machine = machine
    self.rlimits = rlimits
    self.processors = max(1, min(processors, groups.processors ?? .max))
    group = groups.memoryLimit
  }

  /// As things are now.
  public static var ofThisProcess: Allowance { Allowance(ControlGroups(System.text)) }

  /// Bytes of memory, whichever of the bounds is the least; 0 if none is known.
  var memory: UInt64 {
    let known = [machine, group?.bytes ?? 0, bounded(rlimits.space), bounded(rlimits.data)].filter { $0 > 0 }
    return known.min() ?? 0
  }

  private func bounded(_ limit: UInt64) -> UInt64 { limit == .max ? 0 : limit }

  /// How much of a bound is used.
  public struct Fill: Equatable, Sendable {
    public var used: UInt64
    public var limit: UInt64

    static let unknown = Fill(used: 0, limit: 0)

    /// Whether more than so many tenths are used.
    public func exceeds(tenths: UInt64) -> Bool { limit > 0 && used > limit / 10 * tenths }
  }

  /// The bound of which the largest part is used: each is compared with what it counts, as an address space may be far
  /// larger than what of it is in memory. `inGroup`: what counts against the cgroup's limit, if that is known.
  public func fullest(_ use: System.MemorySizes, inGroup: UInt64? = nil) -> Fill {
    var fills = [Fill(used: use.resident, limit: machine)]
    if let group { fills.append(Fill(used: max(inGroup ?? 0, use.resident), limit: group.bytes)) }
    fills.append(Fill(used: use.space, limit: bounded(rlimits.space)))
    fills.append(Fill(used: use.data, limit: bounded(rlimits.data)))
    let known = fills.filter { $0.limit > 0 }
    return known.max { Double($0.used) / Double($0.limit) < Double($1.used) / Double($1.limit) } ?? .unknown
  }
}
