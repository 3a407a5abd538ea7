import Catalogue
import MCP
import Testing

@testable import Sessions
@testable import Workers

/// What a conversation that several share has to know of the levels that they have set.
@Suite("Log levels") struct LogLevelsTests {
  private var levels = LogLevels()

  private func session(_ number: UInt64) -> SessionID { SessionID(high: number, low: number, worker: 0) }

  private func group(
    _ view: CatalogueView = .all, _ abilities: ClientCapabilities = [], _ subject: String = ""
  ) -> LogLevels.Group {
    LogLevels.Group(view: view, abilities: abilities, principal: Principal(subject: subject))
  }

  @Test("the lowest level that anybody has set is the one that all need, also when it is set anew or taken back")
  mutating func lowest() {
    let everybody = Sharers(upstream: 0, kin: nil)
    #expect(levels.lowest(of: everybody) == nil)
    levels.set(.error, of: session(1), in: group())
    levels.set(.debug, of: session(2), in: group(.only(upstream: 0)))
    levels.set(.warning, of: session(3), in: group())
    #expect(levels.lowest(of: everybody) == .debug)
    levels.set(.emergency, of: session(2), in: group(.only(upstream: 0)))
    #expect(levels.lowest(of: everybody) == .warning)
    levels.set(.warning, of: session(3), in: group())
    levels.set(nil, of: session(3), in: group())
    #expect(levels.lowest(of: everybody) == .error)
    for number in 1...3 { levels.set(nil, of: session(UInt64(number)), in: group()) }
    levels.set(nil, of: session(2), in: group(.only(upstream: 0)))
    #expect(levels.lowest(of: everybody) == nil && levels.isEmpty)
  }

  @Test("who looks at another server alone has no part in it")
  mutating func views() {
    levels.set(.debug, of: session(1), in: group(.only(upstream: 1)))
    levels.set(.error, of: session(2), in: group(.only(upstream: 0)))
    #expect(levels.lowest(of: Sharers(upstream: 0, kin: nil)) == .error)
    #expect(levels.listeners(among: Sharers(upstream: 0, kin: nil), at: .error) == [session(2)])
    #expect(levels.lowest(of: Sharers(upstream: 2, kin: nil)) == nil)
  }

  @Test("of a conversation of one kin only that kin's levels count")
  mutating func kin() {
    levels.set(.debug, of: session(1), in: group(.all, [.sampling], "CN=a"))
    levels.set(.info, of: session(2), in: group(.all, [], "CN=a"))
    levels.set(.notice, of: session(3), in: group(.all, [.sampling], "CN=b"))
    let sharers = Sharers(upstream: 0, kin: Sharers.Kin(abilities: [.sampling], principal: Principal(subject: "CN=b")))
    #expect(levels.lowest(of: sharers) == .notice)
    #expect(levels.listeners(among: sharers, at: .emergency) == [session(3)])
    #expect(Set(levels.listeners(among: Sharers(upstream: 0, kin: nil), at: .info)) == [session(1), session(2)])
  }

  @Test(
    "what is said at a level that is not known is for all who have set one", arguments: [nil, .debug] as [LogLevel?])
  mutating func unknown(level: LogLevel?) {
    levels.set(.emergency, of: session(1), in: group())
    let heard = levels.listeners(among: Sharers(upstream: 0, kin: nil), at: level)
    #expect(heard == (level == nil ? [session(1)] : []))
  }
}
