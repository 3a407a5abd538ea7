import Wire

@testable import Upstream

/// Several workers with one endpoint between them, connections that serve, break and time out, callers that come and
/// leave, and letters that arrive late: in order from one worker to another, and in no order otherwise. After every
/// step it is counted whether all is where it should be.
struct PoolSimulation {
  struct Held {
    let worker: Int
    let lease: Lease
    /// nil while it is idle.
    var caller: Int?
    var isAside = false
  }

  var random: SplitMix
  var pools: [PoolState<Int, Int>] = []
  let permits: Permits
  let bounds: PoolBounds
  var now: UInt64 = 1_000_000
  /// By sender and receiver.
  var letters: [[[PoolLetter]]]
  var connections: [Int: Held] = [:]
  private var lastConnection = 0
  private var lastCaller = 0
  /// Of each worker, who waits, the longest first.
  var lines: [[(caller: Int, place: PoolPlace, since: UInt64)]]
  /// Callers that were served, gave up or timed out.
  private(set) var served = 0
  private(set) var servedBy: [Int]
  private(set) var timedOut = 0
  private var settled: Set<Int> = []
  /// Connections that were begun.
  private(set) var begun = 0
  private(set) var problems: [String] = []

  init(seed: UInt64, workers: Int, _ bounds: PoolBounds) {
    random = SplitMix(state: seed)
    self.bounds = bounds
    permits = Permits(bounds)
    letters = Array(repeating: Array(repeating: [], count: workers + 1), count: workers + 1)
    lines = Array(repeating: [], count: workers + 1)
    servedBy = Array(repeating: 0, count: workers + 1)
    for worker in 0...workers {
      pools.append(PoolState(worker: worker, of: workers, bounds, seed: UInt32(truncatingIfNeeded: seed) | 1))
    }
  }

  var workers: Int { pools.count - 1 }
  var waiting: Int { lines.reduce(0) { $0 + $1.count } }
  func callers(of worker: Int) -> Int {
    lines[worker].count + connections.values.count { $0.worker == worker && $0.caller != nil }
  }
  var lettersInFlight: Int { letters.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } } }
  private var busy: [Int] { connections.filter { $0.value.caller != nil || $0.value.isAside }.keys.sorted() }
  private var idle: [Int] { connections.filter { $0.value.caller == nil && !$0.value.isAside }.keys.sorted() }

  // MARK: Steps

  /// - Parameter rush: of a hundred steps, how many bring a caller.
  mutating func step(rush: Int) {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<rush: call(Int.random(in: 0..<workers, using: &random))
    case 94..<95: callAside(Int.random(in: 0...workers, using: &random))
    case 95..<96: leave()
    case 96..<97: breakIdle()
    case 97..<98: pass(UInt64.random(in: 1...1500, using: &random))
    case 98: pass(UInt64.random(in: 1...150, using: &random))
    default: if Bool.random(using: &random) { deliver() } else { finish() }
    }
    check()
  }

  mutating func call(_ worker: Int) {
    lastCaller += 1
    let caller = lastCaller
    switch pools[worker].checkout(caller, now: now, permits) {
    case .use(let connection, let lease, _):
      guard let known = connections[connection], known.caller == nil, !known.isAside, known.worker == worker else {
        return problem("connection \(connection) of worker \(worker) was given, and is not idle")
      }
      guard known.lease == lease else { return problem("another lease than that of connection \(connection)") }
      connections[connection]?.caller = caller
      serve(caller, worker)
    case .connect(let lease, let old):
      if let old { connections[old] = nil }
      open(worker, lease, for: caller)
      serve(caller, worker)
    case .wait(let place, let letter):
      lines[worker].append((caller, place, now))
      if let letter { send(letter, from: worker) }
    case .refuse:
      problem("caller \(caller) was refused")
    }
  }

  mutating func callAside(_ worker: Int) {
    let (lease, connection, old) = pools[worker].checkoutAside(now: now, permits)
    if let old { connections[old] = nil }
    if let connection {
      connections[connection]?.isAside = true
      return
    }
    lastConnection += 1
    connections[lastConnection] = Held(worker: worker, lease: lease, caller: nil, isAside: true)
  }

  private mutating func leave() {
    let worker = Int.random(in: 0..<workers, using: &random)
    guard let index = lines[worker].indices.randomElement(using: &random) else { return }
    let entry = lines[worker].remove(at: index)
    if !pools[worker].leave(entry.place, permits) { problem("caller \(entry.caller) waited, and could not leave") }
    settle(entry.caller)
    if pools[worker].leave(entry.place, permits) { problem("caller \(entry.caller) left twice") }
  }

  /// A call is over, or what carried it broke, or did not come about.
  mutating func finish() {
    guard let connection = busy.randomElement(using: &random) else { return }
    guard Int.random(in: 0..<40, using: &random) == 0, let held = connections.removeValue(forKey: connection) else {
      return finish(connection, reusable: Int.random(in: 0..<12, using: &random) > 0)
    }
    take(pools[held.worker].ended(held.lease, now: now, permits), held.worker)
  }

  mutating func finish(_ connection: Int, reusable: Bool) {
    guard let held = connections[connection] else { return }
    connections[connection]?.caller = nil
    connections[connection]?.isAside = false
    switch pools[held.worker].released(connection, held.lease, reusable: reusable, now: now, permits) {
    case .hand(let caller):
      connections[connection]?.caller = caller
      called(caller, held.worker)
    case .keep:
      if !held.lease.isPooled { problem("a connection beyond the pool was kept") }
    case .close:
      connections[connection] = nil
      take(pools[held.worker].ended(held.lease, now: now, permits), held.worker)
    case .pass(let letter):
      connections[connection] = nil
      if let letter { send(letter, from: held.worker) }
    }
  }

  private mutating func breakIdle() {
    guard let connection = idle.randomElement(using: &random), let held = connections.removeValue(forKey: connection)
    else { return }
    let wasOpen = Bool.random(using: &random)
    pools[held.worker].idleEnded(connection, wasOpen: wasOpen, now: now)
    take(pools[held.worker].ended(held.lease, now: now, permits), held.worker)
  }

  /// Time goes by, and each loop looks at what it has.
  mutating func pass(_ milliseconds: UInt64) {
    now += milliseconds
    for worker in 0...workers {
      while let caller = pools[worker].timedOut(now: now, permits) {
        guard let first = lines[worker].first, first.caller == caller else {
          problem("caller \(caller) timed out, and was not the first")
          continue
        }
        if now - first.since < bounds.checkoutTimeout { problem("caller \(caller) timed out too early") }
        lines[worker].removeFirst()
        timedOut += 1
        settle(caller)
      }
      for (connection, lease) in pools[worker].expire(now: now, permits) { close(connection, lease, worker) }
      while let lease = pools[worker].openAhead(now: now, permits) {
        lastConnection += 1
        begun += 1
        connections[lastConnection] = Held(worker: worker, lease: lease, caller: nil)
        pools[worker].opened(lastConnection, lease, now: now)
      }
    }
  }

  /// A letter arrives. False if there was none.
  @discardableResult
  mutating func deliver() -> Bool {
    let ways = (0...workers).flatMap { from in (0...workers).map { (from, $0) } }.filter {
      !letters[$0.0][$0.1].isEmpty
    }
    guard let (from, to) = ways.randomElement(using: &random) else { return false }
    switch letters[from][to].removeFirst() {
    case .permit:
      for step in pools[to].permitCame(now: now, permits) { take(step, to) }
    case .giveUpIdle(_, let asked):
      while let step = pools[to].askedToGiveUp(asked: asked, permits) {
        take(step, to)
        guard case .close = step else { break }
      }
    }
    return true
  }

  /// Every letter arrives, and those that follow.
  mutating func deliverAll() {
    while deliver() { check() }
  }

  /// Nobody comes any more, and those who are here are served or give up.
  mutating func comeToRest() {
    deliverAll()
    for connection in busy {
      finish(connection, reusable: true)
      check()
    }
    deliverAll()
    if waiting > 0 || !busy.isEmpty { comeToRest() }
  }

  // MARK: What workers do

  private mutating func take(_ step: PoolState<Int, Int>.Step?, _ worker: Int) {
    switch step {
    case .connect(let caller, let lease):
      called(caller, worker)
      open(worker, lease, for: caller)
    case .close(let connection, let lease): close(connection, lease, worker)
    case .send(let letter): send(letter, from: worker)
    case nil: break
    }
  }

  private mutating func close(_ connection: Int, _ lease: Lease, _ worker: Int) {
    guard let held = connections.removeValue(forKey: connection), held.caller == nil, !held.isAside else {
      return problem("connection \(connection) was closed, and is not idle")
    }
    take(pools[worker].ended(lease, now: now, permits), worker)
  }

  private mutating func open(_ worker: Int, _ lease: Lease, for caller: Int) {
    lastConnection += 1
    begun += 1
    connections[lastConnection] = Held(worker: worker, lease: lease, caller: caller)
  }

  private mutating func send(_ letter: PoolLetter, from worker: Int) {
    switch letter {
    case .permit(let other), .giveUpIdle(let other, _):
      if other == worker { problem("worker \(worker) wrote to itself: \(letter)") }
      letters[worker][other].append(letter)
    }
  }

  private mutating func called(_ caller: Int, _ worker: Int) {
    guard let first = lines[worker].first, first.caller == caller else {
      return problem("caller \(caller) was called, and was not the first")
    }
    lines[worker].removeFirst()
    serve(caller, worker)
  }

  private mutating func serve(_ caller: Int, _ worker: Int) {
    served += 1
    servedBy[worker] += 1
    settle(caller)
  }

  private mutating func settle(_ caller: Int) {
    if !settled.insert(caller).inserted { problem("caller \(caller) came to an end twice") }
  }

  // MARK: What must hold

  private mutating func problem(_ text: String) { problems.append(text) }

  mutating func check() {
    let state = permits.now
    var open = Array(repeating: 0, count: pools.count)
    var idle = open
    var underWay = open
    for held in connections.values where held.lease.isPooled {
      open[held.worker] += 1
      if held.caller == nil, !held.isAside { idle[held.worker] += 1 }
    }
    for ways in letters {
      for (worker, way) in ways.enumerated() where !way.isEmpty {
        underWay[worker] += way.count { if case .permit = $0 { true } else { false } }
      }
    }
    var sum = 0
    for worker in 0...workers {
      let waiting = pools[worker].waitingCount
      if open[worker] != pools[worker].open {
        problem("worker \(worker) has \(open[worker]) connections, and counts others")
      }
      if state.held(by: worker) != open[worker] + underWay[worker] {
        problem(
          "worker \(worker) has \(open[worker]) and \(underWay[worker]) coming, and holds \(state.held(by: worker))"
        )
      }
      if idle[worker] != pools[worker].idleCount { problem("worker \(worker) does not know what is idle") }
      if waiting != lines[worker].count { problem("worker \(worker) does not know who waits") }
      if idle[worker] > 0, waiting > 0 { problem("somebody waits at worker \(worker) beside an idle connection") }
      sum += state.held(by: worker)
    }
    if sum != state.held { problem("\(state.held) permits are held, and workers hold \(sum)") }
    if state.held > state.limit { problem("\(state.held) permits of \(state.limit) are held") }
    if waiting > 0, lettersInFlight == 0 {
      if state.held < state.limit { problem("\(waiting) wait while \(state.limit - state.held) permits are free") }
      if idle.contains(where: { $0 > 0 }) { problem("\(waiting) wait while connections are idle") }
    }
    if waiting == 0, lettersInFlight == 0, state.signs.waiting != 0 {
      problem("somebody is believed to wait")
    }
  }
}
