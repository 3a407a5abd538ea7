import Lifecycle
import Testing

@testable import sluice

@Suite("Sockets of a service manager")
struct ServiceManagerTests {
  /// Names and descriptors; descriptors above 9 listen to nothing.
  private func sockets(_ environment: [String: String], process: Int32 = 7) throws -> [String] {
    try ServiceManager.sockets(environment, process: process) { $0 <= 9 }
      .map { "\($0.listener) \($0.descriptor)\($0.anyAddress ? "" : " here only")" }
  }

  private func fault(_ environment: [String: String]) -> String? {
    do {
      _ = try sockets(environment)
      return nil
    } catch {
      return (error as? ServiceManager.Fault)?.description
    }
  }

  @Test("are those that it counts and names, from descriptor 3 on")
  func named() throws {
    let environment = ["LISTEN_PID": "7", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "admin:http:websocket"]
    #expect(try sockets(environment) == ["admin 3", "http 4", "websocket 5"])
  }

  @Test("are the http listener's where there is one without such a name")
  func alone() throws {
    #expect(try sockets(["LISTEN_PID": "7", "LISTEN_FDS": "1"]) == ["http 3"])
    #expect(try sockets(["LISTEN_PID": "7", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "sluice.socket"]) == ["http 3"])
    #expect(try sockets(["LISTEN_PID": "7", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "admin"]) == ["admin 3"])
  }

  @Test(
    "are meant for this process, and counted",
    arguments: [
      ["LISTEN_PID": "8", "LISTEN_FDS": "1"], ["LISTEN_FDS": "1"], ["LISTEN_PID": "7"],
      ["LISTEN_PID": "", "LISTEN_FDS": "1"],
      ["LISTEN_PID": "7x", "LISTEN_FDS": "1"], ["LISTEN_PID": "7", "LISTEN_FDS": "0"],
      ["LISTEN_PID": "7", "LISTEN_FDS": "-1"], ["LISTEN_PID": "7", "LISTEN_FDS": "one"], [:],
    ])
  func others(environment: [String: String]) throws {
    #expect(try sockets(environment) == [])
  }

  @Test("that nobody knows, or that do not listen, are a mistake")
  func faults() {
    let several = ["LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:grpc"]
    #expect(fault(several)?.hasPrefix("LISTEN_FDNAMES calls a socket `grpc`; expected http") == true)
    #expect(fault(["LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http"])?.contains("a socket ``") == true)
    let many = Array(repeating: "http", count: 8).joined(separator: ":")
    #expect(
      fault(["LISTEN_PID": "7", "LISTEN_FDS": "8", "LISTEN_FDNAMES": many])
        == "LISTEN_FDS: descriptor 10 is no listening TCP socket")
  }
}
