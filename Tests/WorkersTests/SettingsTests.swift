import Configuration
import Reactor
import Testing

@testable import LogOfTest
@testable import Workers

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

  private func settings(
    descriptors: UInt64 = 0, _ configure: (inout GatewayConfiguration) -> Void = { _ in }
  ) -> Settings {
    var configuration = GatewayConfiguration()
    configuration.workers = 2
    configure(&configuration)
    return Settings(configuration, descriptors: descriptors)
  }

  @Test("clients have no more connections than there are descriptors, of which a quarter is left for servers")
  func descriptors() {
    #expect(settings().httpLimits.maxConnections == 10_000, "nothing is known")
    #expect(settings(descriptors: 1 << 20).httpLimits.maxConnections == 10_000)
    let few = settings(descriptors: 1096)
    #expect(few.httpLimits.maxConnections == 750 && few.webSocketLimits.maxConnections == 750)
    #expect(settings(descriptors: 1096) { $0.workers = 12 }.httpLimits.maxConnections == 630)
    #expect(settings(descriptors: 10).httpLimits.maxConnections == 16, "some are let in whatever there is")
    #expect(settings(descriptors: 1096) { $0.listeners.http.maxConnections = 9 }.httpLimits.maxConnections == 9)
  }

  @Test("what could not be had of the configuration is said, and nothing is where all could be had")
  func warnings() {
    let (quiet, loud) = (LogOfTest(), LogOfTest())
    settings(descriptors: 1 << 20).warn(quiet.logger)
    #expect(quiet.lines == [])
    settings(descriptors: 1096) { $0.limits.memory = 1 << 20 }.warn(loud.logger)
    #expect(loud.lines.allSatisfy { $0.hasPrefix("warning: ") })
    for key in ["limits.body", "listeners.websocket.max_message_size", "max_connections"] {
      #expect(loud.lines.count { $0.contains("\(key) is ") } == 1, "\(key)")
    }
    #expect(loud.lines.count == 3)
  }

  @Test("a ticket is taken for as long as a session may be old, in whole minutes that are not cut short")
  func tickets() {
    let settings = settings { $0.sessions.maximumAge = .seconds(61) }
    #expect(settings.sessionAge == 2)
    #expect(settings.oldestTicket(at: 100) == 98)
    for minute: UInt32 in 0...2 { #expect(settings.oldestTicket(at: minute) == 0, "there is no time before") }
    #expect(Limits(settings).oldestTicket(at: 100) == 98)
  }

  @Test("an answer goes without a first byte no longer than silence may last, and 15 s at most")
  func undecided() {
    for (heartbeat, time): (Duration, UInt64) in [(.seconds(30), 15_000), (.seconds(15), 15_000), (.seconds(2), 2000)] {
      #expect(settings { $0.listeners.http.heartbeatInterval = heartbeat }.undecidedTime == time)
    }
  }

  @Test("what waits for a slow reader may be as much as is kept for its return, or as one write may be")
  func backlog() {
    for (replay, mark, backlog) in [(1000, 5000, 5000), (9000, 5000, 9000)] {
      let settings = settings {
        $0.sessions.replay = replay
        $0.limits.writeHighWater = mark
      }
      #expect(settings.eventBacklog == backlog)
    }
  }
}
