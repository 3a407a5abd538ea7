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
      federation.after(milliseconds: wait) { [self] in
        federation.mergeIfDue()
        doors?.listWaitEnded()
        look()
      }
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

  /// Lets clients in if it is time.
  private func look() {
    guard let doors, let openDoors else { return }
    let standing = federation.standing
    let action = doors.look(
      down: standing.down, allHaveAnswered: standing.allHaveAnswered,
      areFacesKnown: standing.allHaveAnswered && standing.areFacesKnown)
    if action == .wait {
      // Where another process serves meanwhile nobody is held up.
      if standing.allHaveAnswered, relief == nil { boundFaceWait() }
      return
    }
    let relief = relief
    self.doors = nil
    self.openDoors = nil
    self.relief = nil
    if case .giveUp(let missing) = action { relief?.gaveUp(missing) } else { openDoors() }
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
    let standing = federation.standing
    // All that the first list waits for has come, or has none.
    if standing.allHaveAnswered, standing.areFacesKnown { federation.mergeIfDue() }
    look()
  }
}
