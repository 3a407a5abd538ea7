/// When clients are let in: once every upstream has answered, well or not, or `first_list_wait` is over. What servers are in the
/// legacy era is waited for a while too, but only clients of that era need it, and wait for it further themselves. A process that
/// takes another's place also waits for the servers that answer there, which the other one serves meanwhile.
struct Doors {
  enum Action: Equatable {
    case wait
    case open
    /// These servers answer there and not here.
    case giveUp([String])
  }

  /// Servers that have to answer, by alias.
  private var needed: [String]
  private(set) var isListWaitOver = false
  private var isFaceWaitOver = false
  private var isPatienceOver = false

  init(needed: [String] = []) { self.needed = needed }

  /// `first_list_wait` is over, or what there is to be had of it.
  mutating func listWaitEnded() { isListWaitOver = true }

  /// What servers are in the legacy era is waited for no longer.
  mutating func faceWaitEnded() { isFaceWaitOver = true }

  /// The needed servers are waited for no longer.
  mutating func patienceEnded() { isPatienceOver = true }

  /// Nobody serves elsewhere any more.
  mutating func needNobody() { needed = [] }

  /// - Parameters: the upstreams that do not answer now, by alias; whether each has answered at all, well or not; and in the legacy
  ///   era too.
  func look(down: Set<String>, allHaveAnswered: Bool, areFacesKnown: Bool = true) -> Action {
    let missing = needed.filter(down.contains)
    guard missing.isEmpty else { return isPatienceOver ? .giveUp(missing) : .wait }
    return allHaveAnswered && (areFacesKnown || isFaceWaitOver) || isListWaitOver ? .open : .wait
  }
}
