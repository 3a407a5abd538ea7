import Clusters
import Configuration
import Federation
import Workers

/// Lets clients in when it is time. Whoever begins keeps it for as long as the gateway runs.
public final class Doorkeeper: @unchecked Sendable {  // what changes is touched on the control loop alone
  /// For how long clients are kept out only because of what servers are in the legacy era, in milliseconds.
  private static let faceWait: UInt64 = 1000

  private let federation: Federation
  /// nil once it is settled.
  private var doors: Doors?
  private var openDoors: (@Sendable () -> Void)?
  private var relief: Relief?
  private var isFaceWaitBegun = false
  private var stragglers = StragglerWait(limit: 0)
  /// When upstreams began to be looked after, and when `stragglers` are looked at next.
  private var startedAt: UInt64 = 0
  private var stragglersAt = UInt64.max

  public init(_ federation: Federation) { self.federation = federation }

  /// Has every upstream looked after. `openDoors` is called once, on the control loop, when every upstream has answered or
  /// `first_list_wait` is over and nothing that `relief` needs is missing; or else what that says. From any thread.
  public func begin(
    _ configuration: GatewayConfiguration, _ relief: Relief? = nil, _ openDoors: @escaping @Sendable () -> Void
  ) {
    let wait = configuration.firstListWait.milliseconds
    federation.post { [self] federation in
      self.openDoors = openDoors
      self.relief = relief
      doors = Doors(needed: relief?.servers ?? [])
      stragglers = StragglerWait(limit: wait)
      startedAt = federation.now
      federation.after(milliseconds: wait) { [self] in endListWait() }
      if let relief {
        federation.after(milliseconds: relief.patience) { [self] in
          doors?.patienceEnded()
          look()
        }
      }
      federation.begin(self)
    }
  }

  /// Nobody serves in this process's place any more: no server is waited for on that account. From any thread.
  public func relievesNobody() {
    federation.post { [self] _ in
      doors?.needNobody()
      look()
    }
  }

  private func endListWait() {
    doors?.listWaitEnded()
    federation.mergeIfDue()
    look()
  }

  /// Lets clients in if it is time.
  private func look() {
    guard let doors, let openDoors else { return }
    let (haveAnswered, areFacesKnown) = fare()
    let down = relief == nil ? [] : Set(federation.served.filter { !$0.isReady }.map(\.alias))
    let action = doors.look(down: down, allHaveAnswered: haveAnswered, areFacesKnown: areFacesKnown)
    if action == .wait {
      // Where another process serves meanwhile nobody is held up.
      if haveAnswered, relief == nil { boundFaceWait() }
      if !haveAnswered { boundListWait() }
      return
    }
    let relief = relief
    self.doors = nil
    self.openDoors = nil
    self.relief = nil
    if case .giveUp(let missing) = action { relief?.gaveUp(missing) } else { openDoors() }
  }

  /// Whether every upstream has answered, well or not, and in the legacy era too.
  private func fare() -> (haveAnswered: Bool, areFacesKnown: Bool) {
    let haveAnswered = federation.served.allSatisfy(\.hasAnswered)
    return (haveAnswered, haveAnswered && federation.areFacesKnown)
  }

  /// Upstreams that hang are not waited for as long as may be where most others are well.
  private func boundListWait() {
    guard doors?.isListWaitOver == false else { return }
    let missing = federation.served.filter { !$0.hasAnswered }
    let (well, commands) = (federation.served.count(where: \.isReady), missing.count { $0.server?.isCommand ?? false })
    let now = federation.now - startedAt
    let end = stragglers.end(well: well, missing: missing.count, commands: commands, now: now)
    guard now < end else { return endListWait() }
    guard end < stragglersAt else { return }
    stragglersAt = end
    federation.after(milliseconds: end - now) { [self] in
      stragglersAt = .max
      look()
    }
  }

  private func boundFaceWait() {
    guard !isFaceWaitBegun else { return }
    isFaceWaitBegun = true
    federation.after(milliseconds: Self.faceWait) { [self] in
      federation.mergeIfDue()
      doors?.faceWaitEnded()
      look()
    }
  }
}

extension Doorkeeper: FederationObserver {
  public func serversFared() {
    guard doors != nil else { return }
    // All that the first list waits for has come, or has none.
    if fare() == (true, true) { federation.mergeIfDue() }
    look()
  }
}
