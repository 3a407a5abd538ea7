import Lifecycle
import Reactor
import SessionStore
import Sessions
import Workers

/// How one process takes another's place: what they tell each other of sessions.
extension Gateway {
  /// Begins to tell a successor. Gives the descriptor that the successor is to have; nil if that can't be.
  public func bequeath() -> Int32? {
    let ends: (mine: HandoverStream, others: Int32)
    do throws(ReactorError) {
      ends = try HandoverStream.pair()
    } catch {
      logger.warning("the next process can't be told what is known of sessions: \(error)")
      return nil
    }
    let relay = SessionRelay(ends.mine)
    state.sessions.successor.relay?.close()
    state.sessions.successor.put(relay)
    let (state, logger) = (state, logger)
    let service = SuccessorService(SessionSeam(state.deliveries, state.calls))
    relayThreads.append(
      Thread(name: "sluice-heir") {
        let failure = relay.serve(
          SessionRelay.Service(
            first: { service.tellAll(relay, $0) },
            received: { record, _ in service.received(record, fromSuccessor: relay) }
          ))
        if let failure { logger.warning("what the next process says of sessions can't be read: \(failure)") }
        state.sessions.successor.remove(relay)
      })
    return ends.others
  }

  /// There is no successor any more.
  public func keepSessions() { state.sessions.successor.relay?.close() }

  /// Nothing more is told, and nobody is listened to.
  func endRelays() {
    state.sessions.successor.relay?.finish(within: 1000)
    state.sessions.predecessor.relay?.finish(within: 100)
    for thread in relayThreads { thread.join() }
    relayThreads = []
  }

  /// Hears from the process whose place this one takes what it knows of sessions. `ready` is called once it has said all,
  /// or can't.
  public func inherit(_ descriptor: Int32, _ ready: @escaping @Sendable () -> Void) {
    let stream: HandoverStream
    do throws(ReactorError) {
      stream = try HandoverStream(adopting: descriptor)
    } catch {
      logger.warning("what the other process knows of sessions can't be had: \(error)")
      return ready()
    }
    let relay = SessionRelay(stream)
    state.sessions.inheritance.begin()
    state.sessions.predecessor.put(relay)
    let (state, logger) = (state, logger)
    let service = PredecessorService(SessionSeam(state.deliveries, state.calls))
    relayThreads.append(
      Thread(name: "sluice-estate") {
        let turn = Gathering(1)
        let patience = System.uptime + Self.inheritanceTime
        let failure = relay.serve(
          SessionRelay.Service(
            received: { record, encoded in
              if case .complete = record.contents, turn.arrive() { ready() }
              service.received(record, encoded, fromPredecessor: relay)
            },
            glance: {
              if System.uptime >= patience, turn.expire() {
                logger.warning("the other process does not say what it knows of sessions")
                ready()
              }
            }))
        switch failure {
        case .foreign: logger.warning("what the other process knows of sessions is of a version that is not known here")
        case .broken: logger.warning("what the other process says of sessions can't be read")
        case nil: break
        }
        state.sessions.predecessor.remove(relay)
        service.leftAlone()
        if turn.arrive() { ready() }
      })
  }

  /// How long clients wait for what is known of their sessions, in milliseconds.
  private static let inheritanceTime: UInt64 = 5000
}
