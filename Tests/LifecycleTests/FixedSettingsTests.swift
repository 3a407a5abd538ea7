import Configuration
import Testing

@testable import Lifecycle

@Suite("What can't change while a gateway runs")
struct FixedSettingsTests {
  struct Fixed: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let change: @Sendable (inout GatewayConfiguration) -> Void

    init(_ key: String, _ change: @escaping @Sendable (inout GatewayConfiguration) -> Void) {
      (testDescription, self.change) = (key, change)
    }
  }

  static let fixed = [
    Fixed("listeners.http.host") { $0.listeners.http.host = "::1" },
    Fixed("listeners.http.port") { $0.listeners.http.port = 1 },
    Fixed("listeners.websocket.host") { $0.listeners.webSocket.host = "::1" },
    Fixed("listeners.websocket.port") { $0.listeners.webSocket.port = 2 },
    Fixed("listeners.admin.host") { $0.listeners.admin.host = "::1" },
    Fixed("listeners.admin.port") { $0.listeners.admin.port = 3 },
    Fixed("workers") { $0.workers = 7 },
    Fixed("takeover_socket") { $0.takeoverSocket = "/run/other.sock" },
    Fixed("state_dir") { $0.stateDirectory = .off },
    Fixed("sessions.secret") { $0.sessions.secrets = ["another"] },
    Fixed("sessions.secret_file") { $0.sessions.secretFile = "/etc/secret" },
  ]

  @Test("stays as it is, and is told by its key", arguments: fixed)
  func kept(_ setting: Fixed) {
    let running = GatewayConfiguration()
    var read = running
    setting.change(&read)
    #expect(read != running)
    let changed = read.keepFixed(of: running)
    #expect(changed == [setting.testDescription] && read == running)
  }

  @Test("is told of all together, each once, and leaves what can change as it was read")
  func together() {
    let running = GatewayConfiguration()
    var read = running
    for setting in Self.fixed { setting.change(&read) }
    read.limits.body = 4711
    read.callTimeout = .seconds(3)
    read.listeners.http.maxConnections = 12
    read.sessions.idleTimeout = .seconds(9)
    var wanted = running
    (wanted.limits.body, wanted.callTimeout) = (4711, .seconds(3))
    wanted.listeners.http.maxConnections = 12
    wanted.sessions.idleTimeout = .seconds(9)
    let changed = read.keepFixed(of: running)
    #expect(changed == Self.fixed.map(\.testDescription) && read == wanted)
    #expect(read.keepFixed(of: running) == [], "there is nothing left to tell")
  }
}
