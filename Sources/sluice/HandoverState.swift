/// Who wants to take this process's place, and how far each of them has come: what the running process does about it. One
/// successor at a time gets the sockets, and who comes meanwhile is told so. Nobody is waited for who shows no life. The
/// sockets stay this process's own until a successor serves. Times are milliseconds of a monotonic clock.
struct HandoverState {
  /// A connection, by its descriptor.
  typealias Connection = Int32

  enum Action: Equatable {
    case say(TakeoverWord, to: Connection)
    /// Gives it the listening sockets, and says which servers answer here.
    case handOver(to: Connection, version: Int)
    case close(Connection)
    /// It may serve, and is told what is known of sessions.
    case letServe(Connection)
    /// It does not serve after all: it need not be told of sessions any more.
    case keepSessions
    case inform(String)
    case warn(String)
    /// It said that it serves and has gone from here: it is to be seen whether somebody does, and `serves` or `left` tells.
    case lookForHeir(Connection)
    /// It serves: this process may drain.
    case complete(Connection)
  }

  /// How long a newcomer may take to say what it wants, and how many of them there may be at once.
  static let greetingTime: UInt64 = 5000
  static let mostNewcomers = 8
  /// How long a successor may be silent, and how long it may take to serve once it may.
  static let silence: UInt64 = 10_000
  static let openingTime: UInt64 = 10_000
  /// How long a successor of version 1 may take in all: it shows no life before it serves.
  static let versionOneTime: UInt64 = 600_000
  /// Between two lines about who came for nothing, and between two tries to accept once that has failed.
  static let strayPause: UInt64 = 10_000
  static let acceptPause: UInt64 = 1000

  private struct Newcomer {
    var connection: Connection
    var process: Int32
    var since: UInt64
  }

  private struct Successor {
    var connection: Connection
    var process: Int32
    var version: Int
    var since: UInt64
    /// When it showed life last, or was told that it may serve.
    var heard: UInt64
    var mayServe = false
    /// Nothing can be said to it any more.
    var isDeaf = false

    /// When it is given up.
    var end: UInt64 {
      if version == 1 { return since + versionOneTime }
      return heard + (mayServe ? openingTime : silence)
    }
  }

  /// In the order in which they came.
  private var newcomers: [Newcomer] = []
  private var successor: Successor?
  private var isEnding = false
  /// Those who wait for this process to end.
  private var waiting: Set<Connection> = []
  private var lastStray: UInt64?
  private var acceptsFrom: UInt64 = 0

  /// Whether it is worth while to accept a connection.
  func accepts(at now: UInt64) -> Bool { now >= acceptsFrom }

  /// When `passed` has something to do, if nothing comes before that.
  func deadline(at now: UInt64) -> UInt64? {
    let ends = newcomers.map { $0.since + Self.greetingTime } + [successor?.end].compactMap(\.self)
    return (ends + (accepts(at: now) ? [] : [acceptsFrom])).min()
  }

  // MARK: Events

  mutating func connected(_ connection: Connection, process: Int32, at now: UInt64) -> [Action] {
    newcomers.append(Newcomer(connection: connection, process: process, since: now))
    guard newcomers.count > Self.mostNewcomers else { return [] }
    let oldest = newcomers.removeFirst()
    return [.close(oldest.connection)]
      + stray("process \(oldest.process), which said nothing, made room for others", now)
  }

  /// Another user's process was turned away.
  mutating func refused(at now: UInt64) -> [Action] { stray("another user's process was turned away", now) }

  /// No connection can be accepted, for lack of descriptors say.
  mutating func acceptFailed(_ why: String, at now: UInt64) -> [Action] {
    acceptsFrom = now + Self.acceptPause
    return stray("a connection can't be accepted: \(why)", now)
  }

  mutating func heard(_ word: TakeoverWord?, on connection: Connection, at now: UInt64) -> [Action] {
    if let place = newcomers.firstIndex(where: { $0.connection == connection }) {
      return greeted(by: newcomers.remove(at: place), word, now)
    }
    guard var found = successor, found.connection == connection else { return [.close(connection)] }
    found.heard = now
    switch (found.version, word) {
    case (2, .waiting?) where !found.mayServe:
      successor = found
      return []
    case (2, .ready?) where !found.mayServe:
      found.mayServe = true
      successor = found
      return [.letServe(connection)]
    case (2, .serving?) where found.mayServe && found.isDeaf:
      successor = found
      return [.lookForHeir(connection)]
    case (2, .serving?) where found.mayServe, (1, .ready?):
      successor = nil
      return [.complete(connection)]
    default:
      return giveUp(found, "it said what was not expected")
    }
  }

  /// The other end has gone, and all that it said was heard.
  mutating func left(_ connection: Connection) -> [Action] {
    if let place = newcomers.firstIndex(where: { $0.connection == connection }) {
      // It may only have looked whether somebody listens.
      newcomers.remove(at: place)
      return [.close(connection)]
    }
    waiting.remove(connection)
    guard let found = successor, found.connection == connection else { return [.close(connection)] }
    successor = nil
    return [.close(connection)] + keeping(found)
      + [.warn("process \(found.process) did not get to serve; this one goes on")]
  }

  /// It can't be told what it is to hear. If it hears nothing any more, what it said before that is still to be heard: it
  /// serves, maybe, as this process was stopped for so long that it did not wait. Else it must know that it is not to.
  mutating func unreachable(_ connection: Connection, isGone: Bool, why: String) -> [Action] {
    guard var found = successor, found.connection == connection else { return [] }
    guard isGone else { return giveUp(found, "it can't be spoken to: \(why)") }
    found.isDeaf = true
    successor = found
    return keeping(found)
  }

  /// It serves, as was seen.
  mutating func serves(_ connection: Connection) -> [Action] {
    guard let found = successor, found.connection == connection else { return [] }
    successor = nil
    return [.complete(connection)]
  }

  /// This process ends, and there is nobody who serves in its place: who wants to take over may wait for that. Whom it
  /// had given its sockets serves.
  mutating func ends() -> [Action] {
    isEnding = true
    defer {
      newcomers = []
      successor = nil
    }
    return newcomers.map { .close($0.connection) } + (successor.map { [.close($0.connection)] + keeping($0) } ?? [])
  }

  /// Time has passed. What was said until then must have been heard: this process may have been stopped itself.
  mutating func passed(at now: UInt64) -> [Action] {
    var actions: [Action] = []
    while let first = newcomers.first, now >= first.since + Self.greetingTime {
      newcomers.removeFirst()
      actions += [.close(first.connection)] + stray("process \(first.process) connected and said nothing", now)
    }
    if let found = successor, now >= found.end {
      let time = (now - (found.version == 1 ? found.since : found.heard)) / 1000
      let deed =
        found.version == 1 ? "does not serve after" : found.mayServe ? "may serve and does not after" : "was silent for"
      actions += giveUp(found, "it \(deed) \(time) s")
    }
    return actions
  }

  // MARK: Parts

  private mutating func greeted(by newcomer: Newcomer, _ word: TakeoverWord?, _ now: UInt64) -> [Action] {
    let connection = newcomer.connection
    guard case .hello(let version)? = word, (1...Takeover.version).contains(version) else {
      return [.say(.only(Takeover.version), to: connection), .close(connection)]
        + stray("process \(newcomer.process) said what was not expected", now)
    }
    if isEnding {
      guard waiting.count < Self.mostNewcomers else { return [.close(connection)] }
      waiting.insert(connection)
      return [
        .say(.ending(version), to: connection),
        .inform("process \(newcomer.process) wants to take over: it is told to wait for the end of this one"),
      ]
    }
    if let successor {
      let seconds = (now - successor.since) / 1000
      return [
        .say(.busy(version, process: successor.process, seconds: seconds), to: connection), .close(connection),
        .inform(
          "process \(newcomer.process) wants to take over and was turned away: process \(successor.process) has been at it for \(seconds) s"
        ),
      ]
    }
    successor = Successor(
      connection: connection, process: newcomer.process, version: version, since: now, heard: now)
    return [
      .inform("process \(newcomer.process) wants to take over"), .handOver(to: connection, version: version),
    ]
  }

  private mutating func giveUp(_ found: Successor, _ why: String) -> [Action] {
    successor = nil
    return [
      .say(.givenUp(why), to: found.connection), .close(found.connection),
    ] + keeping(found) + [
      .warn("process \(found.process), which wants to take over, is given up: \(why); this one goes on")
    ]
  }

  private func keeping(_ found: Successor) -> [Action] { found.mayServe ? [.keepSessions] : [] }

  /// Whoever comes for nothing again and again shall not fill the log.
  private mutating func stray(_ what: String, _ now: UInt64) -> [Action] {
    if let lastStray, now < lastStray + Self.strayPause { return [] }
    lastStray = now
    return [.warn("on the takeover socket: \(what)")]
  }
}
