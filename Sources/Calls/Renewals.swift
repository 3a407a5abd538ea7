import Delivery
import OpenCalls
import Reactor
import Sessions
import Translation
import Wire
import Workers

/// Resources that a session subscribed to in another process, one after the other: each is subscribed to here too, and then
/// its client is told that it may have changed.
private final class Renewal {
  let session: Session
  /// By the names that its client has for them; the next comes last.
  var names: [[UInt8]]
  /// Or not any more.
  let isWanted: Bool
  /// How often the next one has failed.
  var failures = 0

  init(_ session: Session, _ names: [[UInt8]], isWanted: Bool) {
    self.session = session
    self.names = names
    self.isWanted = isWanted
  }
}

/// Does for sessions what their clients have settled with another process.
public final class Renewals {
  private let context: CallsContext
  private let methods: Methods
  private let upstreams: SessionUpstreams

  init(_ context: CallsContext, _ methods: Methods, _ upstreams: SessionUpstreams) {
    self.context = context
    self.methods = methods
    self.upstreams = upstreams
  }

  /// A server that is busy or starts is asked so often, with pauses that double from so many milliseconds.
  private static var attempts: Int { 6 }
  private static var pause: UInt64 { 250 }

  /// For a session that was made anew.
  public func settle(_ session: Session, hasLogLevel: Bool, subscriptions: [[UInt8]]) {
    guard hasLogLevel || !subscriptions.isEmpty else { return }
    if hasLogLevel { context.sessions.table.countLevel(of: session) }
    // Its client's request is in hand.
    after(milliseconds: 0) { [unowned self] in
      if hasLogLevel { upstreams.spreadLogLevel(session) {} }
      renew(subscriptions, of: session, isWanted: true)
    }
  }

  func renew(_ names: [[UInt8]], of session: Session, isWanted: Bool) {
    guard !names.isEmpty else { return }
    next(Renewal(session, names.reversed(), isWanted: isWanted))
  }

  private func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    context.worker.timers.after(milliseconds: milliseconds, action)
  }

  /// As if its client asked: nobody hears the answer.
  private func next(_ renewal: Renewal) {
    let session = renewal.session
    guard let name = renewal.names.last, context.sessions.find(session.id) === session else { return }
    var message = ByteBuffer(capacity: name.count + 96)
    message.append(
      request: renewal.isWanted ? .resourcesSubscribe : .resourcesUnsubscribe, id: 0, params: Self.params(name).bytes)
    let envelopes = context.worker.requestScanner
    let envelope = envelopes.scan(message.bytes, depth: context.settings.depth)
    let own = OwnCall { [unowned self] succeeded in ended(renewal, succeeded) }
    methods.serve(.nobody, session, session.view, envelope, session.revision, own: own)
  }

  private static func params(_ uri: [UInt8]) -> ByteBuffer {
    var params = ByteBuffer(capacity: uri.count + 16)
    params.append("{\"uri\":")
    params.append(quoted: uri.rawBytes)
    params.append("}")
    return params
  }

  /// What became of the next one. Not within what has answered it: there is more to come.
  private func ended(_ renewal: Renewal, _ succeeded: Bool) {
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
  public func tellMaybeChanged(_ name: [UInt8], to session: Session) {
    var message = ByteBuffer(capacity: name.count + 96)
    message.append(notification: .notifyResourcesUpdated, params: Self.params(name).bytes)
    // Once its client listens it is told all that may be news.
    if !context.delivery.messages.emit(message.bytes, to: session) { session.haveNews() }
  }
}
