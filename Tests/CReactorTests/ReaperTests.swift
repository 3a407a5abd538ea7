import CReactor
import CReactorPeers
import Foundation
import Testing

@Suite("The reaper", .timeLimit(.minutes(1)))
struct ReaperTests {
  @Test(
    "ends children and grandchildren when their parent was killed",
    arguments: ["sleep 1000 & echo $$ $!; wait", "trap '' TERM; sleep 1000 & echo $$ $!; while :; do sleep 1; done"])
  func parentKilled(script: String) {
    var line = [CChar](repeating: 0, count: 200)
    let parent = peer_parent_start(script, &line, line.count)
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let descendants = text.split(separator: " ").compactMap { pid_t($0) }
    #expect(descendants.count == 2)
    #expect(descendants.allSatisfy { !isGone($0) })
    peer_parent_kill(parent)
    while !descendants.allSatisfy(isGoneOrZombie) && !Task.isCancelled { poll(nil, 0, 5) }
    #expect(descendants.allSatisfy(isGoneOrZombie))
  }

  @Test("ends what is left on its list when it is stopped, and nothing else")
  func stopped() {
    var reaper: OpaquePointer?
    #expect(cr_reaper_start(&reaper).domain == UInt16(CR_DOMAIN_NONE.rawValue))
    let bench = ClientBench(reaper: reaper)
    let other = ClientBench()
    _ = bench.shell("exit 5", tag: 1)
    bench.run { bench.ends[1] != nil }
    _ = bench.start(["sleep", "1000"], tag: 2)
    let unlisted = other.start(["sleep", "1000"])
    cr_reaper_stop(reaper)
    bench.run { bench.ends[2] != nil }
    #expect(bench.ends[1]?.status == 5)
    #expect(bench.ends[2]?.signal == SIGTERM)
    _ = cr_loop_step(other.loop)
    #expect(other.ends.isEmpty)
    #expect(!isGone(pid_t(cr_child_pid(other.loop, unlisted))))
  }
}

/// Orphans are reaped by whatever is process 1, which may take its time.
private func isGoneOrZombie(_ pid: pid_t) -> Bool {
  guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
  return stat.split(separator: ")").last?.hasPrefix(" Z") == true
}
