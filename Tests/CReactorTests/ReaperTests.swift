import CReactor
import CReactorPeers
import Foundation
import Testing

@Suite("The reaper", .timeLimit(.minutes(10)))
struct ReaperTests {
  @Test(
    "ends children and grandchildren when their parent was killed",
    arguments: ["sleep 1000 & echo $$ $!; wait", "trap '' TERM; sleep 1000 & echo $$ $!; while :; do sleep 1; done"])
  func parentKilled(script: String) {
    let (parent, descendants) = startParent(script, stops: false)
    #expect(descendants.count == 2)
    #expect(descendants.allSatisfy { !isGone($0) })
    peer_parent_kill(parent)
    while !descendants.allSatisfy(isGoneOrZombie) && !Task.isCancelled { poll(nil, 0, 5) }
    #expect(descendants.allSatisfy(isGoneOrZombie))
  }

  @Test(
    "ends what left its child's group too: in a session of its own, as an orphan, without the environment",
    arguments: [
      "setsid sleep 1000 & echo $$ $!; wait", "echo $$ $(setsid sh -c 'sleep 1000 >/dev/null & echo $!'); read forever",
      "env -i setsid sleep 1000 & echo $$ $!; wait",
      "setsid sh -c \"trap '' TERM; while :; do sleep 1; done\" & echo $$ $!; wait",
    ])
  func strays(script: String) {
    let (parent, descendants) = startParent(script, stops: false)
    #expect(descendants.count == 2)
    // Once both have gone where they go.
    let hasLeft = { descendants.count == 2 && getsid(descendants[1]) != getsid(descendants[0]) }
    while !hasLeft() && !Task.isCancelled { poll(nil, 0, 5) }
    let other = startOther()
    defer {
      kill(other, SIGKILL)
      waitpid(other, nil, 0)
    }
    peer_parent_kill(parent)
    while !descendants.allSatisfy(isGoneOrZombie) && !Task.isCancelled { poll(nil, 0, 5) }
    #expect(descendants.allSatisfy(isGoneOrZombie))
    #expect(!isGoneOrZombie(other))
  }

  @Test("ends what is left on its list when it is stopped, and nothing else")
  func stopped() {
    let bench = ClientBench()
    let other = pid_t(cr_child_pid(bench.loop, bench.start(["sleep", "1000"])))
    let (parent, descendants) = startParent("sleep 1000 & echo $$ $!; wait", stops: true)
    #expect(descendants.count == 2)
    #expect(peer_parent_wait(parent))
    #expect(descendants.allSatisfy(isGoneOrZombie))
    #expect(!isGoneOrZombie(other))
  }

  /// A process that is none of anybody's children, so to speak.
  private func startOther() -> pid_t {
    var pid: pid_t = 0
    let arguments = [strdup("sleep"), strdup("1000"), nil]
    defer { for argument in arguments { free(argument) } }
    #expect(posix_spawnp(&pid, "sleep", nil, nil, arguments, environ) == 0)
    return pid
  }

  private func startParent(_ script: String, stops: Bool) -> (pid: Int64, descendants: [pid_t]) {
    var line = [CChar](repeating: 0, count: 200)
    let parent = peer_parent_start(script, stops, &line, line.count)
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (parent, text.split(separator: " ").compactMap { pid_t($0) })
  }
}

/// Orphans are reaped by whatever is process 1, which may take its time.
private func isGoneOrZombie(_ pid: pid_t) -> Bool {
  guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
  return stat.split(separator: ")").last?.hasPrefix(" Z") == true
}
