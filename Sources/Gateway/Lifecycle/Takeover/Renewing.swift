import MCP
import Reactor
import Wire

/// Resources that a session subscribed to in another process, one after the other: each is subscribed to here too, and then
/// its client is told that it may have changed.
final class Renewal {
  let session: Session
  /// By the names that its client has for them; the next comes last.
  fileprivate(set) var names: [[UInt8]]
  /// Or not any more.
  let isWanted: Bool
  /// How often the next one has failed.
  fileprivate var failures = 0

  fileprivate init(_ session: Session, _ names: [[UInt8]], isWanted: Bool) {
    self.session = session
    self.names = names
    self.isWanted = isWanted
  }
}

extension Worker {
  /// A server that is busy or starts is asked so often, with pauses that double from so many milliseconds.
  private static var attempts: Int { 6 }
  private static var pause: UInt64 { 250 }

  /// Does for a session that was made anew what its client has settled with another process.
  func settle(_ bequest: Inheritance.Bequest, of session: Session) {
    guard bequest.hasLogLevel || !bequest.subscriptions.isEmpty else { return }
    if bequest.hasLogLevel { gateway.sessions.countLevel(of: session) }
    // Its client's request is in hand.
    after(milliseconds: 0) { [unowned self] in
      if bequest.hasLogLevel { spreadLogLevel(session) {} }
      renew(bequest.subscriptions, of: session, isWanted: true)
    }
  }

  func renew(_ names: [[UInt8]], of session: Session, isWanted: Bool) {
    guard !names.isEmpty else { return }
    next(Renewal(session, names.reversed(), isWanted: isWanted))
  }

  /// As if its client asked: nobody hears the answer.
  private func next(_ renewal: Renewal) {
    guard let name = renewal.names.last, gateway.sessions.find(renewal.session.id) === renewal.session else { return }
    var message = ByteBuffer(capacity: name.count + 96)
    message.append(
      request: renewal.isWanted ? .resourcesSubscribe : .resourcesUnsubscribe, id: 0, params: Self.params(name).bytes)
    let envelopes = requestScanner
    let envelope = envelopes.scan(message.bytes, depth: settings.depth)
    let session = renewal.session
    serve(.renewal(renewal), session, session.view, envelope, session.revision)
  }

  private static func params(_ uri: [UInt8]) -> ByteBuffer {
    var params = ByteBuffer(capacity: uri.count + 16)
    params.append("{\"uri\":")
    params.append(quoted: uri.rawBytes)
    params.append("}")
    return params
  }

  /// What became of the next one. Not within what has answered it: there is more to come.
  func renewed(_ renewal: Renewal, _ succeeded: Bool) {
    guard succeeded || !renewal.isWanted || renewal.failures + 1 >= Self.attempts else {
      renewal.failures += 1
      return after(milliseconds: Self.pause << UInt64(renewal.failures)) { [unowned self] in next(renewal) }
    }
    renewal.failures = 0
    let name = renewal.names.removeLast()
    if renewal.isWanted { tellMaybeChanged(name, to: renewal.session) }
    after(milliseconds: 0) { [unowned self] in next(renewal) }
  }

  /// Nobody knows what has happened to a resource between two processes.
  func tellMaybeChanged(_ name: [UInt8], to session: Session) {
    var message = ByteBuffer(capacity: name.count + 96)
    message.append(notification: .notifyResourcesUpdated, params: Self.params(name).bytes)
    // Once its client listens it is told all that may be news.
    if !emit(message.bytes, to: session) { session.haveNews() }
  }
}
