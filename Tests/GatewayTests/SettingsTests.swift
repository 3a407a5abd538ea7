import Configuration
import Reactor
import Testing

@testable import Gateway

@Suite("What a configuration settles")
struct SettingsTests {
  @Test("an event loop's options are all known: those that a reload changes and those that stay")
  func loopOptions() {
    let names = Set(Mirror(reflecting: EventLoop.Options()).children.compactMap(\.label))
    let changing: Set = [
      "maximumConnections", "writeHighWater", "writeLowWater", "answerHead", "answerHeaders", "memory",
    ]
    #expect(names == changing.union(["worker", "manualClock", "reaper"]))
  }

  @Test("each bound of an event loop comes from the configuration")
  func loopLimits() {
    var configuration = GatewayConfiguration()
    configuration.limits.head = 2000
    configuration.limits.headers = 20
    configuration.limits.writeHighWater = 5000
    configuration.limits.writeLowWater = 4000
    configuration.limits.memory = 3_000_000
    configuration.listeners.http.maxConnections = 30
    configuration.listeners.webSocket.maxConnections = 70
    let limits = Settings(configuration).loopLimits
    #expect(limits.answerHead == 2000)
    #expect(limits.answerHeaders == 20)
    #expect(limits.writeHighWater == 5000)
    #expect(limits.writeLowWater == 4000)
    #expect(limits.memory == 3_000_000)
    #expect(limits.maximumConnections == 16_484)
  }

  @Test("what loops may take is less than what the process may have, whatever is configured")
  func memory() {
    let unlimited = System.MemorySizes(space: .max, resident: .max, data: .max)
    let groups = ControlGroups { _ in nil }
    let allowance = Allowance(groups, machine: 1000 << 20, rlimits: unlimited, processors: 2)
    func bytes(_ configured: Int?, of allowance: Allowance) -> Int {
      var configuration = GatewayConfiguration()
      configuration.limits.memory = configured
      return Settings(configuration, loops: 4, allowance: allowance).loopLimits.memory >> 20
    }
    #expect(bytes(nil, of: allowance) == 125)
    #expect(bytes(170 << 20, of: allowance) == 170)
    #expect(bytes(500 << 20, of: allowance) == 175)
    let unknown = Allowance(groups, machine: 0, rlimits: unlimited, processors: 2)
    #expect(bytes(500 << 20, of: unknown) == 500)
    #expect(bytes(nil, of: unknown) == 0)
  }

  @Test("no client may say more at once than is kept for it")
  func messages() {
    let unlimited = System.MemorySizes(space: .max, resident: .max, data: .max)
    func body(_ configured: Int, memory: Int?, machine: UInt64) -> UInt64 {
      var configuration = GatewayConfiguration()
      configuration.limits.body = configured
      configuration.limits.memory = memory
      let allowance = Allowance(ControlGroups { _ in nil }, machine: machine, rlimits: unlimited, processors: 1)
      let settings = Settings(configuration, allowance: allowance)
      #expect(settings.httpLimits.maxBody == settings.webSocketLimits.maxBody)
      #expect(settings.httpLimits.maxBody <= UInt64(settings.holdings.each))
      return settings.httpLimits.maxBody
    }
    #expect(body(16 << 20, memory: 1 << 20, machine: 8 << 30) == 252 << 10)
    #expect(body(1000, memory: 1 << 20, machine: 8 << 30) == 1000)
    #expect(body(16 << 20, memory: nil, machine: 8 << 30) == 16 << 20)
    #expect(body(16 << 20, memory: nil, machine: 32 << 20) == (4 << 20) - (4 << 10))
    #expect(body(16 << 20, memory: nil, machine: 0) == 16 << 20)
  }
}
