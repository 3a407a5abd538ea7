/// How a process takes another's place, from the moment that it has the sockets: what the new process does about what it
/// hears. It lets nobody in before the other one says so, since that may have given it up meanwhile. Times are
/// milliseconds of a monotonic clock.
struct SuccessorState {
  enum Action: Equatable {
    case say(TakeoverWord)
    /// The other one has gone: no server is waited for on its account.
    case relieveNobody
    case letClientsIn
    /// It does not answer: this one serves all the same, as it has the sockets.
    case noteSilence
    /// This process serves, in the other one's place; or alone, as that one has gone.
    case settle(isAlone: Bool)
    /// The other one goes on: this one ends.
    case giveUp(String)
  }

  /// How often it shows life, and how long it waits for an answer that comes at once.
  static let beat: UInt64 = 1000
  static let patience: UInt64 = 5000

  private enum Phase {
    /// Until everything is there that is needed.
    case waiting
    /// It has asked whether it may serve.
    case asking(since: UInt64)
    case opening
    /// It serves and has said so.
    case confirming(since: UInt64)
    case over
  }

  private let version: Int
  private var phase = Phase.waiting
  private var isAlone = false
  private var lastBeat: UInt64?

  init(version: Int) { self.version = version }

  /// What is needed to serve is there.
  mutating func met(at now: UInt64) -> [Action] {
    guard case .waiting = phase else { return [] }
    if isAlone || version == 1 { return open() }
    phase = .asking(since: now)
    return [.say(.ready)]
  }

  /// Clients are let in.
  mutating func opened(at now: UInt64) -> [Action] {
    guard case .opening = phase else { return [] }
    if isAlone { return settle() }
    if version == 1 { return [.say(.ready)] + settle() }
    phase = .confirming(since: now)
    return [.say(.serving([]))]
  }

  mutating func heard(_ word: TakeoverWord?, at now: UInt64) -> [Action] {
    switch (phase, word) {
    case (.over, _): return []
    case (_, .givenUp(let why)?):
      phase = .over
      return [.giveUp(why)]
    case (.asking, .go?): return open()
    case (.confirming, .done?): return settle()
    default: return []
    }
  }

  /// The other one has gone, or hands nothing over any more.
  mutating func left() -> [Action] {
    guard !isAlone else { return [] }
    isAlone = true
    switch phase {
    case .waiting: return [.relieveNobody]
    case .asking: return open()
    case .confirming: return settle()
    case .opening, .over: return []
    }
  }

  mutating func passed(at now: UInt64) -> [Action] {
    switch phase {
    case .waiting where !isAlone && version > 1:
      if let lastBeat, now < lastBeat + Self.beat { return [] }
      lastBeat = now
      return [.say(.waiting)]
    case .asking(let since) where now >= since + Self.patience: return [.noteSilence] + open()
    case .confirming(let since) where now >= since + Self.patience: return [.noteSilence] + settle()
    default: return []
    }
  }

  private mutating func open() -> [Action] {
    phase = .opening
    return [.letClientsIn]
  }

  private mutating func settle() -> [Action] {
    phase = .over
    return [.settle(isAlone: isAlone)]
  }
}
