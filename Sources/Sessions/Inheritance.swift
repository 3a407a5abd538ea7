import MCP
import Reactor
import SessionStore
import Synchronization
import Wire

/// What this process has from the one whose place it takes: what is known of sessions until their clients come, and what
/// comes for sessions that are here.
public final class Inheritance: Sendable {
  private struct State {
    var estate = Estate()
    /// When the other process had gone.
    var endedAt: UInt64?
    /// Whether another process may still have streams of its own.
    var isShared = false
    /// The process that takes this one's place, once it has been told all of the estate: it hears what is added.
    weak var heir: SessionRelay?
    /// Messages for streams that are the other process's yet.
    var held: [(session: SessionID, frame: Frame)] = []
  }

  /// Messages that wait for a stream at most: the other process leaves them at once, or is gone.
  private static let mostHeld = 1 << 16

  /// What ends an answer that the other process had not finished when it went. Which call's it was is not known here; SDK
  /// clients that resume a call's stream take any response on it for that call's.
  public static let lostAnswer = EventLog.encode(
    (#"{"jsonrpc":"2.0","id":"unknown","error":{"code":-32603,"message":"The gateway's process that ran this call has gone: its answer is lost"}}"#
      as StaticString).bytes)

  private let state = Mutex(State())

  public func remove(_ session: SessionID) { state.withLock { $0.estate.remove(session) } }

  /// Another process begins to tell.
  public func begin() {
    state.withLock { state in
      state.isShared = true
      state.estate.isLeft = false
      state.estate.isOver = false
      state.endedAt = nil
    }
  }

  /// Keeps what is told of a session that is not here; else `apply` is called. One at a time, so that nobody makes the
  /// session anew in between.
  public func receive(_ encoded: [UInt8], of id: SessionID, in table: SessionTable, _ apply: (Session) -> Void) {
    state.withLock { state in
      if let session = table.find(id) { return apply(session) }
      state.estate.keep(encoded, of: id)
      state.heir?.pass(encoded)
    }
  }

  /// All that is kept, as it came. What is added from here on is passed to the process that is told of it.
  public func tell(_ heir: SessionRelay) -> [[UInt8]] {
    state.withLock { state in
      state.heir = heir
      return state.estate.all
    }
  }

  public enum Adoption {
    case made(Bequest)
    /// Another worker was quicker.
    case found(Session)
    /// Its client has ended it; what is there of it is to be ended, too.
    case ended(Session?)
    case full
  }

  /// What remains to be done for a session that was made of it.
  public struct Bequest {
    public var subscriptions: [[UInt8]] = []
    public var hasLogLevel = false
  }

  /// Takes in a session that was made anew, with what is known of it. `admit` says whether there is room. Who asks for it by
  /// way of `SessionsShared` hears whether it has ended.
  public func adopt(_ session: Session, into table: SessionTable, now: UInt64, _ admit: () -> Bool) -> Adoption {
    state.withLock { state in
      if let found = table.find(session.id) { return .found(found) }
      var bequest = Bequest()
      if state.estate.contains(session.id) {
        for record in state.estate.records(of: session.id) { session.take(record, &bequest, now: now) }
        session.withState { inner in
          inner.log.beginBeyond()
          if state.estate.isOver {
            _ = inner.log.takeOver(endingAnswersWith: Self.lostAnswer, now: now)
          } else if state.estate.isLeft {
            inner.log.takeOver()
          }
        }
      }
      guard admit() else { return table.find(session.id).map { .found($0) } ?? .full }
      state.estate.remove(session.id)
      return .made(bequest)
    }
  }

  /// Keeps a message until the other process has left its streams. False if it has by now.
  public func hold(_ frame: Frame, for session: SessionID) -> Bool {
    state.withLock { state in
      guard state.isShared else { return false }
      if state.held.count < Self.mostHeld { state.held.append((session, frame)) }
      return true
    }
  }

  /// The other process has left its streams, or has gone. What waited for that.
  public func settle(isOver: Bool, now: UInt64) -> [(session: SessionID, frame: Frame)] {
    state.withLock { state in
      state.estate.isLeft = true
      if isOver {
        state.estate.isOver = true
        state.endedAt = now
      }
      state.isShared = false
      defer { state.held = [] }
      return state.held
    }
  }

  /// Gives up what nobody came for: events after `window`, the rest after `idle`.
  public func expire(window: UInt64, idle: UInt64, now: UInt64) {
    state.withLock { state in
      guard let endedAt = state.endedAt, state.estate.count > 0 else { return }
      if now >= endedAt + idle {
        state.estate.removeAll()
      } else if now >= endedAt + window {
        state.estate.removeEvents()
      }
    }
  }
}

extension Session {
  /// Takes in what another process knows of it, before anybody else sees it.
  fileprivate func take(_ record: SessionRecord, _ bequest: inout Inheritance.Bequest, now: UInt64) {
    switch record.contents {
    case .settled(let settled):
      _ = shakeHands(Handshake(settled.revision, settled.abilities))
      note(settled.lists)
      withState { $0.logLevel = settled.logLevel }
      bequest.hasLogLevel = settled.logLevel != nil
    case .subscription(let uri, let isWanted):
      bequest.subscriptions.removeAll { $0 == uri }
      if isWanted { bequest.subscriptions.append(uri) }
    case .piece(let piece): withState { _ = $0.log.adopt(piece, now: now) }
    case .left: withState { $0.log.takeOver() }
    case .message(let frame):
      withState { state in
        guard let stream = state.log.standalone, !state.log.isForeign(stream) else { return }
        _ = state.log.append(frame, to: stream)
      }
    default: break
    }
  }
}
