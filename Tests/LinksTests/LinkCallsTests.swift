import MCP
import Testing

@testable import Clusters
@testable import Links
@testable import Workers

/// For whom a message is that names no call: what one principal's call says reaches no other principal.
@Suite struct LinkCallsTests {
  private static let ada = Principal(subject: "CN=ada")
  private static let bob = Principal(subject: "CN=bob")

  private static func call(_ slot: Int) -> RequestID { RequestID(worker: 0, slot: slot, generation: 1) }

  private static func session() -> SessionID {
    return SessionID(worker: 0)
  }

  /// The slots of the calls that are told; nil if nobody is.
  private static func told(_ calls: LinkCalls, log level: LogLevel? = nil, by isModern: Bool = false) -> [Int]? {
    guard case .calls(let calls) = calls.audience(ofLog: level, by: isModern) else { return nil }
    return calls.map(\.slot).sorted()
  }

  @Test("are counted as long as they last, the gateway's own left out")
  func count() {
    var calls = LinkCalls()
    calls.began(Self.call(1), of: .gateway)
    #expect(calls.ofClients == 0)
    calls.began(Self.call(2), of: .session(Self.session(), Self.ada))
    calls.began(Self.call(3), of: .modern(nil, Self.bob))
    #expect(calls.ofClients == 2)
    for slot in [1, 3, 3] { calls.ended(Self.call(slot)) }
    #expect(calls.ofClients == 1)
    calls.removeAll()
    #expect(calls.ofClients == 0 && calls.isEmpty)
  }

  @Test("one call of each client of the only principal")
  func onePrincipal() {
    var calls = LinkCalls()
    let session = Self.session()
    calls.began(Self.call(1), of: .session(session, Self.ada))
    calls.began(Self.call(2), of: .gateway)
    #expect(Self.told(calls) == [1])
    #expect(calls.onlyClients == Self.call(1))
    calls.began(Self.call(3), of: .session(session, Self.ada))
    #expect(Self.told(calls)?.count == 1)
    #expect(calls.onlyClients != nil)
    calls.began(Self.call(4), of: .session(Self.session(), Self.ada))
    calls.began(Self.call(5), of: .modern(nil, Self.ada))
    #expect(Self.told(calls)?.count == 3)
    #expect(calls.onlyClients == nil)
  }

  @Test("nobody once two principals have had calls on their way: a server may speak of what has ended")
  func twoPrincipals() {
    var calls = LinkCalls()
    calls.began(Self.call(1), of: .session(Self.session(), Self.ada))
    calls.began(Self.call(2), of: .modern(nil, Self.bob))
    #expect(calls.audience() == .nobody)
    #expect(calls.audience(ofLog: .emergency) == .nobody)
    #expect(calls.onlyClients == nil)
    calls.ended(Self.call(2))
    #expect(calls.audience() == .nobody)
    #expect(calls.onlyClients == nil)
    calls.ended(Self.call(1))
    #expect(calls.audience() == .nobody)
  }

  @Test("nobody in particular while no client has a call on its way")
  func unclaimed() {
    var calls = LinkCalls()
    #expect(calls.audience() == .unclaimed)
    calls.began(Self.call(1), of: .gateway)
    #expect(calls.audience() == .unclaimed)
    calls.began(Self.call(2), of: .session(Self.session(), Self.ada))
    calls.ended(Self.call(2))
    #expect(calls.audience() == .unclaimed)
  }

  @Test("of modern clients those that asked for logs of that level")
  func levels() {
    var calls = LinkCalls()
    calls.began(Self.call(1), of: .modern(.info, Self.ada))
    calls.began(Self.call(2), of: .modern(.error, Self.ada))
    calls.began(Self.call(3), of: .modern(nil, Self.ada))
    #expect(Self.told(calls, log: .warning) == [1])
    #expect(Self.told(calls, log: .error) == [1, 2])
    // It is known whose it is, and they did not ask for it: it is not for everybody.
    #expect(Self.told(calls, log: .debug) == [])
    #expect(Self.told(calls) == [1, 2, 3])
  }

  @Test("of a modern server those that asked for it, or else all that it may be about")
  func modernLevels() {
    var calls = LinkCalls()
    calls.began(Self.call(1), of: .modern(.info, Self.ada))
    calls.began(Self.call(2), of: .modern(nil, Self.ada))
    #expect(Self.told(calls, log: .error, by: true) == [1])
    #expect(Self.told(calls, log: .debug, by: true) == [1, 2])
    calls.began(Self.call(3), of: .session(Self.session(), Self.ada))
    #expect(Self.told(calls, log: .error, by: true) == [1, 3])
    calls.began(Self.call(4), of: .modern(nil, Self.bob))
    #expect(calls.audience(ofLog: .error, by: true) == .nobody)
  }

  @Test("that somebody can be asked while a session has a call on its way")
  func sessions() {
    var calls = LinkCalls()
    calls.began(Self.call(1), of: .modern(nil, Self.ada))
    calls.began(Self.call(2), of: .gateway)
    #expect(!calls.hasSessions)
    calls.began(Self.call(3), of: .session(Self.session(), Self.ada))
    #expect(calls.hasSessions)
  }
}
