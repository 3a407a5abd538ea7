import CReactor
import CReactorPeers
import Foundation
import Testing

@Suite("A child process", .timeLimit(.minutes(10)))
struct ProcessTests {
  static let noError = UInt16(CR_DOMAIN_NONE.rawValue)

  @Test("answers what it is written, line by line, and ends when its input closes")
  func echo() {
    let bench = ClientBench()
    let child = bench.start(["cat"])
    #expect(cr_child_pid(bench.loop, child) > 1)
    for piece in ["hel", "lo\nsecond\n", "\n", "with CR\r\n"] { #expect(bench.write(child, piece) == CR_WRITE_OK) }
    bench.run { bench.lines[1]?.count == 4 }
    #expect(bench.lines[1] == ["hello", "second", "", "with CR"])
    cr_child_close(bench.loop, child)
    #expect(bench.write(child, "late\n") == CR_WRITE_STALE)
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.domain == Self.noError)
    #expect(bench.ends[1]?.status == 0)
    #expect(bench.lines[1]?.count == 4)
    #expect(cr_loop_count(bench.loop).children == 0)
    #expect(cr_child_pid(bench.loop, child) == -1)
  }

  @Test("is known to have read what it was written, or not yet")
  func unread() {
    let bench = ClientBench()
    let child = bench.shell("read -r _; echo first; read -r _; echo second; cat")
    #expect(bench.write(child, "a\n") == CR_WRITE_OK)
    bench.run { bench.lines[1] == ["first"] }
    #expect(cr_child_unread(bench.loop, child) == 0)
    let sleeper = bench.start(["sleep", "1000"], tag: 2)
    #expect(bench.write(sleeper, "abc\n") == CR_WRITE_OK)
    #expect(cr_child_unread(bench.loop, sleeper) == 4)
    for each in [child, sleeper] { cr_child_kill(bench.loop, each) }
    bench.run { bench.ends.count == 2 }
    #expect(cr_child_unread(bench.loop, sleeper) == 0, "it is gone")
  }

  @Test("tells its exit status after all it wrote, a last line without an end included")
  func exitStatus() {
    let bench = ClientBench()
    _ = bench.shell("echo out; echo err >&2; printf partial; printf rest >&2; exit 7")
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.status == 7)
    #expect(bench.ends[1]?.signal == 0)
    #expect(bench.lines[1] == ["out", "partial"])
    #expect(bench.logs[1] == ["err", "rest"])
  }

  @Test("tells the signal that ended it")
  func signalled() {
    let bench = ClientBench()
    _ = bench.shell("kill -USR1 $$")
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.signal == SIGUSR1)
    #expect(bench.ends[1]?.status == -1)
  }

  @Test("tells its exit status, whatever the one who started us does with SIGCHLD")
  func ignoredSignal() { #expect(peer_status_with_sigchld_ignored(7) == 7) }

  @Test("that can't be started is told later, with what is missing")
  func notStarted() {
    let bench = ClientBench()
    _ = bench.start(["no-such-program"], tag: 1)
    _ = bench.start(["true"], directory: "/no/such/directory", tag: 2)
    _ = bench.start(["/etc/passwd"], tag: 3)
    _ = bench.start(["true"], environment: ["PATH=/no/such"], tag: 4)
    #expect(bench.ends.isEmpty)
    bench.run { bench.ends.count == 4 }
    #expect(bench.ends[1]?.code == Int32(CR_REASON_NO_PROGRAM.rawValue))
    #expect(bench.ends[2]?.code == Int32(CR_REASON_NO_DIRECTORY.rawValue))
    #expect(bench.ends[3]?.text == "permission denied")
    #expect(bench.ends[4]?.code == Int32(CR_REASON_NO_PROGRAM.rawValue))
    #expect(cr_loop_count(bench.loop).children == 0)
  }

  @Test("has its own session, directory and environment, three descriptors and no blocked or ignored signals")
  func surroundings() {
    let bench = ClientBench()
    let script = """
      pwd; env | grep -v -e '^PWD=' -e '^_=' -e '^SHLVL=' -e '^OLDPWD=' | sort; ls /proc/$$/fd
      grep -e SigBlk -e SigIgn /proc/self/status; cut -d' ' -f5,6 /proc/$$/stat; echo $$
      """
    _ = bench.start(["sh", "-c", script], environment: ["PATH=/usr/bin:/bin", "A=b c"], directory: "/usr")
    bench.run { bench.ends[1] != nil }
    let lines = bench.lines[1] ?? []
    #expect(lines.prefix(3) == ["/usr", "A=b c", "PATH=/usr/bin:/bin"])
    #expect(lines.dropFirst(3).prefix(3) == ["0", "1", "2"])
    #expect(lines.dropFirst(6).prefix(2) == ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"])
    let pid = lines.last ?? ""
    #expect(lines.dropLast().last == "\(pid) \(pid)")
  }

  @Test("may use no more than it is given, and never more than we may")
  func limits() throws {
    let bench = ClientBench()
    let script =
      "grep -e 'Max data' -e 'Max processes' -e 'Max open' /proc/self/limits | tr -s ' ' | sed 's, $,,' | sort"
    _ = bench.start(["sh", "-c", script]) {
      $0.files = 40
      $0.data = 64 << 20
      $0.processes = 4000
    }
    _ = bench.start(["sh", "-c", script], tag: 2) { $0.files = 1 << 40 }
    _ = bench.start(["sh", "-c", script], tag: 3)
    bench.run { bench.ends.count == 3 }
    #expect(
      bench.lines[1] == [
        "Max data size 67108864 67108864 bytes", "Max open files 40 40 files", "Max processes 4000 4000 processes",
      ])
    #expect(bench.lines[2] == bench.lines[3])
  }

  @Test("enters the group that it is given before it runs, and runs where it can't")
  func group() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "sluice-\(UUID().uuidString)").path
    let descriptor = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    let unwritable = open("/dev/null", O_RDONLY | O_CLOEXEC)
    defer {
      close(descriptor)
      close(unwritable)
      unlink(file)
    }
    let bench = ClientBench()
    _ = bench.start(["sh", "-c", "cat \(file); ls /proc/$$/fd"]) { $0.group = descriptor }
    _ = bench.start(["echo", "there"], tag: 2) { $0.group = unwritable }
    bench.run { bench.ends.count == 2 }
    #expect(bench.lines[1] == ["00", "1", "2"], "the kernel takes 0 for whoever writes it")
    #expect(bench.lines[2] == ["there"])
  }

  @Test("runs a script without an interpreter line by the shell, found in the child's own PATH")
  func script() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let bench = ClientBench()
    // Written by another process: a child that another test starts at that moment would still hold it open for writing, and
    // what somebody writes to is not executed.
    let making = "echo 'echo \"hello $1\"' > greet && chmod 755 greet"
    _ = bench.start(["sh", "-c", making], directory: folder.path)
    bench.run { bench.ends[1] != nil }
    _ = bench.start(["greet", "you"], environment: ["PATH=/nowhere:\(folder.path):/bin"], tag: 2)
    bench.run { bench.ends[2] != nil }
    #expect(bench.lines[2] == ["hello you"])
  }

  @Test("may write lines up to the limit; one beyond it is skipped, one of its log is cut")
  func longLines() {
    let bench = ClientBench()
    let zeros = "head -c $1 /dev/zero | tr '\\0' x"
    _ = bench.start(
      ["sh", "-c", "\(zeros); echo; \(zeros) >&2; echo >&2; echo end >&2", "sh", "100000"], maxLine: 100_000)
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.domain == Self.noError)
    #expect(bench.lines[1]?.map(\.count) == [100_000])
    #expect(bench.logs[1]?.map(\.count) == [8192, 3])
    let script = "echo a; echo; printf 'begin '; \(zeros); printf '\\r\\n'; \(zeros); printf end; echo; echo b"
    _ = bench.start(["sh", "-c", script, "sh", "100001"], maxLine: 100_000, tag: 2)
    bench.run { bench.ends[2] != nil }
    #expect(bench.ends[2]?.domain == Self.noError)
    #expect(bench.lines[2] == ["a", "", "b"])
    let parts = bench.overlong[2] ?? []
    #expect(parts.map(\.count) == [7 + 4096, 5 + 128, 7 + 4096, 5 + 128])
    #expect(parts.first?.hasPrefix("begins begin xxx") == true)
    #expect(parts.dropFirst().first?.hasPrefix("ends xxx") == true)
    #expect(parts.last?.hasSuffix("xxxend") == true)
  }

  @Test("is ended when a line has no end")
  func endlessLine() {
    let bench = ClientBench()
    _ = bench.start(["sh", "-c", "tr '\\0' x < /dev/zero; sleep 1000"], maxLine: 100_000)
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.code == Int32(CR_REASON_LINE_TOO_LONG.rawValue))
    #expect(bench.ends[1]?.signal == SIGKILL)
    #expect(bench.lines[1] == nil)
    #expect(bench.overlong[1]?.count == 1)
  }

  @Test("takes megabytes without blocking the loop, and says when its queue has drained")
  func backpressure() {
    let bench = ClientBench()
    // A child that is given its time counts to the end, however slow the machine is.
    let child = bench.shell("read go; wc -c", grace: 60_000)
    let chunk = String(repeating: "x", count: 100_000)
    #expect(bench.write(child, "go\n") == CR_WRITE_OK)
    for _ in 0..<20 { bench.write(child, chunk) }
    #expect(bench.write(child, chunk) == CR_WRITE_FULL)
    cr_child_close(bench.loop, child)  // after what is queued
    bench.run { bench.ends[1] != nil }
    #expect(bench.lines[1] == ["2100000"])
    #expect(bench.drained == [1])
  }

  @Test("that closes its input is heard to the end")
  func closedInput() throws {
    let mark = FileManager.default.temporaryDirectory.appending(path: "sluice-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: mark) }
    let bench = ClientBench(manualClock: true)
    let child = bench.start(
      ["sh", "-c", "exec <&-; echo closed; while [ ! -e $1 ]; do sleep 0.01; done; echo after", "sh", mark])
    bench.run { bench.lines[1] == ["closed"] }
    #expect(bench.write(child, "lost\n") == CR_WRITE_OK)
    // A child that another test has just forked has the reading end too, until it runs its own program.
    bench.run { bench.write(child, "lost\n") == CR_WRITE_STALE }
    #expect(FileManager.default.createFile(atPath: mark, contents: nil))
    bench.run { bench.ends[1] != nil }
    #expect(bench.lines[1] == ["closed", "after"])
    #expect(bench.ends[1]?.status == 0)
  }

  @Test("that ignores the end of its input gets SIGTERM after 2 s and SIGKILL 2 s later")
  func ladder() {
    let bench = ClientBench(manualClock: true)
    let child = bench.shell("trap 'echo terminated' TERM; echo ready; while :; do sleep 0.01; done")
    bench.run { bench.lines[1] == ["ready"] }
    cr_child_close(bench.loop, child)
    cr_loop_advance(bench.loop, 1999)
    _ = cr_loop_step(bench.loop)
    cr_loop_advance(bench.loop, 1)
    bench.run { bench.lines[1]?.count == 2 }
    #expect(bench.lines[1] == ["ready", "terminated"])
    #expect(bench.ends.isEmpty)
    cr_loop_advance(bench.loop, 2000)
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.signal == SIGKILL)
  }

  @Test("whose input is backed up has the same time: SIGTERM, and SIGKILL only 2 s later")
  func ladderWithBackedUpInput() {
    let bench = ClientBench(manualClock: true)
    let child = bench.shell("trap 'echo terminated' TERM; echo ready; while :; do sleep 0.01; done")
    bench.run { bench.lines[1] == ["ready"] }
    let chunk = String(repeating: "x", count: 100_000)
    for _ in 0..<20 { bench.write(child, chunk) }
    cr_child_close(bench.loop, child)
    cr_loop_advance(bench.loop, 2000)
    bench.run { bench.lines[1]?.count == 2 || bench.ends[1] != nil }
    #expect(bench.lines[1] == ["ready", "terminated"])
    cr_loop_advance(bench.loop, 1999)
    for _ in 0..<100 { _ = cr_loop_step(bench.loop) }
    #expect(bench.ends.isEmpty)
    cr_loop_advance(bench.loop, 1)
    bench.run { bench.ends[1] != nil }
    #expect(bench.ends[1]?.signal == SIGKILL)
    #expect(bench.ends[1]?.domain == Self.noError)
  }

  @Test("goes from phase to phase as the table says, and no other way")
  func phases() {
    let ends = [PEER_CHILD_DRAINING, PEER_CHILD_ABANDONED]
    let legal: [(peer_child_phase, [peer_child_phase])] = [
      (PEER_CHILD_STARTING, [PEER_CHILD_FAILED, PEER_CHILD_RUNNING]), (PEER_CHILD_FAILED, [PEER_CHILD_GONE]),
      (PEER_CHILD_RUNNING, [PEER_CHILD_ASKED, PEER_CHILD_KILLED] + ends),
      (PEER_CHILD_ASKED, [PEER_CHILD_TERMINATED, PEER_CHILD_KILLED] + ends),
      (PEER_CHILD_TERMINATED, [PEER_CHILD_KILLED] + ends), (PEER_CHILD_KILLED, ends),
      (PEER_CHILD_DRAINING, [PEER_CHILD_GONE]), (PEER_CHILD_ABANDONED, [PEER_CHILD_GONE]), (PEER_CHILD_GONE, []),
    ]
    #expect(legal.count == Int(peer_child_phases()))
    for (from, next) in legal {
      for to in legal.map(\.0) {
        #expect(peer_child_may(from, to) == next.contains(to), "from \(from) to \(to)")
      }
    }
  }

  @Test("says as much on stderr as its rate allows; the rest is left out, and counted to the line")
  func chatter() {
    let bench = ClientBench(manualClock: true)
    let say = "for i in $(seq 100); do echo $(printf %096d $i) >&2; done"  // 97 bytes each, and 64 for the line
    let child = bench.start(["sh", "-c", "\(say); read go; \(say)"], chatter: (1610, 3220))
    bench.run { cr_loop_count(bench.loop).bytes_in == 9700 }
    #expect(bench.logs[1]?.count == 20)
    #expect(bench.dropped.isEmpty)
    cr_loop_advance(bench.loop, 4999)
    _ = cr_loop_step(bench.loop)
    #expect(bench.dropped.isEmpty)
    cr_loop_advance(bench.loop, 1)
    bench.run { bench.dropped[1] != nil }
    #expect(bench.dropped[1] == [ClientBench.Dropped(lines: 80, bytes: 7760)])
    bench.write(child, "go\n")
    // 5 s would have brought 8,050 bytes, but there is room for 3,220.
    bench.run { bench.ends[1] != nil }
    #expect(bench.logs[1]?.count == 40)
    #expect(bench.dropped[1]?.count == 2)
    #expect(bench.dropped[1]?.last == ClientBench.Dropped(lines: 80, bytes: 7760))
  }

  @Test("has every byte counted that is cut off a line of its log, whether the line ends or not")
  func cutLines() {
    let bench = ClientBench(manualClock: true)
    func write(_ count: Int) -> String { "head -c \(count) /dev/zero | tr '\\0' x >&2" }
    // One byte too many, one at the limit, and one that comes in pieces and never ends.
    let script =
      "\(write(8193)); echo >&2; \(write(8192)); echo >&2; \(write(8000)); read go; \(write(100_000)); read go"
    let child = bench.start(["sh", "-c", script])
    bench.run { cr_loop_count(bench.loop).bytes_in == 8193 + 8192 + 8000 + 2 }
    cr_loop_advance(bench.loop, 5000)
    bench.run { bench.dropped[1] != nil }
    #expect(bench.dropped[1] == [ClientBench.Dropped(lines: 0, bytes: 0, cut: 1)])
    bench.write(child, "go\n")
    bench.run { cr_loop_count(bench.loop).bytes_in == 8193 + 8192 + 108_000 + 2 }
    cr_loop_advance(bench.loop, 5000)
    bench.run { bench.dropped[1]?.count == 2 }
    #expect(bench.dropped[1]?.last == ClientBench.Dropped(lines: 0, bytes: 0, cut: 108_000 - 8192))
    #expect(bench.logs[1]?.map(\.count) == [8192, 8192, 8192])
    // A line that came too fast is left out as a whole: what was cut off it is no less missing.
    _ = bench.start(["sh", "-c", "\(write(10_000)); echo >&2; \(write(10_000)); echo >&2"], chatter: (1, 8300), tag: 2)
    bench.run { bench.ends[2] != nil }
    #expect(bench.logs[2]?.map(\.count) == [8192])
    #expect(bench.dropped[2] == [ClientBench.Dropped(lines: 1, bytes: 8193, cut: 2 * 1808)])
    // One that is longer than all that may be told is told all the same, and costs all of that.
    _ = bench.start(["sh", "-c", "\(write(7000)); echo >&2; \(write(7000)); echo >&2"], chatter: (1, 4000), tag: 3)
    bench.run { bench.ends[3] != nil }
    #expect(bench.logs[3]?.map(\.count) == [7000])
    bench.write(child, "go\n")
    bench.run { bench.ends[1] != nil }
    #expect(bench.dropped[1]?.count == 2)
  }

  @Test("that floods a stream waits until it is read again", arguments: [1, 2])
  func flood(stream: Int) {
    let bench = ClientBench(manualClock: true)
    let (rate, burst) = (UInt64(4096), UInt64(8192))
    var complaints = 0
    bench.onLine = { [unowned bench] id, length in
      if cr_child_chatters(bench.loop, id, length + 1) { complaints += 1 }
    }
    let script = "head -c 1000000 /dev/zero | tr '\\0' '\\n' >&$1"
    _ = bench.start(["sh", "-c", script, "sh", "\(stream)"], chatter: (rate, burst))
    var read: UInt64 { cr_loop_count(bench.loop).bytes_in }
    // Short lines of what is no message cost so much more to look at that the first read is enough.
    bench.run { read >= (stream == 1 ? 1 : 16 * burst) }
    for _ in 0..<200 {
      _ = cr_loop_step(bench.loop)
      poll(nil, 0, 1)
    }
    // What was on its way in one read comes beside it.
    #expect(read <= 16 * burst + 65536)
    bench.run {
      cr_loop_advance(bench.loop, 100)
      return bench.ends[1] != nil
    }
    #expect(bench.ends[1]?.status == 0)
    let told = stream == 1 ? complaints : bench.logs[1]?.count ?? 0
    #expect(told >= 8192 / 65)
    #expect(UInt64(told) + (bench.dropped[1] ?? []).reduce(0) { $0 + $1.lines } == 1_000_000)
  }

  @Test("takes its whole group along when it is killed")
  func killsGroup() {
    let bench = ClientBench()
    let child = bench.shell("sleep 1000 & echo $!; wait")
    bench.run { bench.lines[1] != nil }
    let grandchild = pid_t(bench.lines[1]![0])!
    cr_child_kill(bench.loop, child)
    bench.run { bench.ends[1] != nil && isGone(grandchild) }
    #expect(bench.ends[1]?.signal == SIGKILL)
  }

  @Test("that leaves a grandchild with its pipes is waited for 1 s, and the grandchild is ended")
  func grandchildHoldsPipes() {
    let bench = ClientBench(manualClock: true)
    let child = bench.shell(
      "sh -c \"trap '' TERM; echo ready; while :; do sleep 0.01; done\" & echo $!; read go; exit 4")
    bench.run { bench.lines[1]?.count == 2 }
    let grandchild = pid_t(bench.lines[1]!.first { $0 != "ready" }!)!
    bench.write(child, "go\n")
    bench.run { isZombie(pid_t(cr_child_pid(bench.loop, child))) }
    for _ in 0..<100 { _ = cr_loop_step(bench.loop) }
    #expect(bench.ends.isEmpty)
    bench.run {
      cr_loop_advance(bench.loop, 50)
      return bench.ends[1] != nil
    }
    #expect(bench.ends[1]?.status == 4)
    bench.run { isGone(grandchild) }
  }

  @Test("is read to its end when it exits while it is paused")
  func pausedAtExit() {
    let bench = ClientBench()
    let child = bench.shell("echo ready; read go; echo last; exit 3")
    bench.run { bench.lines[1] == ["ready"] }
    cr_read_pause(bench.loop, child)
    let pid = pid_t(cr_child_pid(bench.loop, child))
    bench.write(child, "go\n")
    bench.run { isZombie(pid) }
    #expect(bench.lines[1] == ["ready"])
    #expect(bench.ends.isEmpty)
    cr_read_resume(bench.loop, child)
    bench.run { bench.ends[1] != nil }
    #expect(bench.lines[1] == ["ready", "last"])
    #expect(bench.ends[1]?.status == 3)
  }

  @Test("is ended, and no zombie, when its loop is destroyed")
  func loopDestroyed() {
    let bench = ClientBench()
    let pid = pid_t(cr_child_pid(bench.loop, bench.start(["sleep", "1000"])))
    bench.destroy()
    #expect(isGone(pid))
  }

  @Test("may be started by several loops on several threads at once")
  func severalLoops() async {
    await withTaskGroup(of: Int.self) { group in
      for worker in 0..<4 {
        group.addTask {
          let bench = ClientBench(worker: UInt8(worker))
          for tag in 1...25 { _ = bench.shell("echo \(tag); exit \(tag)", tag: UInt64(tag)) }
          bench.run { bench.ends.count == 25 }
          return (1...25).count {
            bench.ends[UInt64($0)]?.status == Int64($0) && bench.lines[UInt64($0)] == ["\($0)"]
          }
        }
      }
      for await right in group { #expect(right == 25) }
    }
  }

  @Test("leaves no descriptor behind, a thousand times over, started or not")
  func noLeak() {
    #expect(peer_descriptors_leaked(1000) == 0)
  }
}

/// No such process, not even a zombie.
func isGone(_ pid: pid_t) -> Bool { kill(pid, 0) != 0 && errno == ESRCH }

private func isZombie(_ pid: pid_t) -> Bool {
  guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
  return stat.split(separator: ")").last?.hasPrefix(" Z") == true
}
