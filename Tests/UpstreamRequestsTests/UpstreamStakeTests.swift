import MCP
import Reactor
import Testing

@testable import Clusters
@testable import UpstreamRequests

@Suite("What a worker has of an upstream")
struct UpstreamStakeTests {
  @Test("calls and what goes beside them count apart, and the rest not at all")
  func counts() {
    let stake = UpstreamStake(UpstreamEndpoint(0, of: 1, alias: "a", .init()), name: "a", worker: 0, of: 1)
    stake.count(2, as: .call)
    stake.count(1, as: .aside)
    stake.count(5, as: .none)
    #expect(stake.callsInFlight == 2 && stake.asidesInFlight == 1)
    stake.count(-1, as: .call)
    stake.count(-1, as: .aside)
    #expect(stake.callsInFlight == 1 && stake.asidesInFlight == 0)
  }

  @Test("the stream of a session is ended by one, and is where it was moved to last")
  func stream() {
    let session = HTTPSession(Array("s".utf8))
    #expect(session.streamLoop == nil && session.takeStream() == nil)
    let connections = [3, 5].map { ConnectionID(rawValue: $0 << 56 | 9) }
    for connection in connections { session.streamMoved(to: connection) }
    #expect(session.streamLoop == 5)
    #expect(session.takeStream() == connections[1])
    #expect(session.takeStream() == nil && session.streamLoop == nil)
    session.streamMoved(to: connections[0])
    session.streamMoved(to: .none)
    #expect(session.takeStream() == nil)
  }
}
