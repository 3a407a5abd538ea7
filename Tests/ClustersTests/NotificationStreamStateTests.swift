import MCP
import Testing

@testable import Clusters
@testable import Workers

@Suite("The GET stream of an upstream session")
struct NotificationStreamStateTests {
  private typealias End = NotificationStreamState.End

  private func waiter(_ slot: Int) -> RequestID {
    RequestID(worker: 0, slot: slot, generation: 1)
  }

  private func begun() -> NotificationStreamState {
    var stream = NotificationStreamState()
    stream.begin(opens: true)
    return stream
  }

  private let refusal = End(status: 405, wasAccepted: false, wasOfUse: false)
  private let failure = End(status: 0, wasAccepted: false, wasOfUse: false)
  private let ending = End(status: 200, wasAccepted: true, wasOfUse: true)

  /// Whether it is opened again, in about so many milliseconds.
  private func isAgain(_ action: NotificationStreamState.Action, after most: UInt64) -> Bool {
    guard case .again(let delay) = action else { return false }
    return (most / 2...most).contains(delay)
  }

  @Test("A session without one makes nobody wait")
  func none() {
    var stream = NotificationStreamState()
    #expect(!stream.isAwaited && stream.want(waiter(1)) == .settled && !stream.again())
  }

  @Test("Who comes while it is opened waits, and goes on when it is there")
  func opening() {
    var stream = begun()
    #expect(stream.isAwaited && stream.want(waiter(1)) == .waiting && stream.want(waiter(2)) == .waiting)
    #expect(stream.settle().map(\.slot) == [1, 2])
    #expect(!stream.isAwaited && stream.want(waiter(3)) == .settled && stream.settle().isEmpty)
  }

  @Test("A server that refuses it is not asked again")
  func refused() {
    var stream = begun()
    _ = stream.settle()
    #expect(stream.ended(refusal) == .giveUp)
    #expect(!stream.isAwaited && stream.want(nil) == .settled && !stream.again())
  }

  @Test("One that ended is opened by the next call, or in time; by one of them")
  func again() {
    var stream = begun()
    _ = stream.settle()
    #expect(isAgain(stream.ended(ending), after: 500))
    #expect(stream.isAwaited && stream.want(waiter(1)) == .yours && !stream.again())
    #expect(stream.settle().map(\.slot) == [1])
    _ = stream.ended(ending)
    #expect(stream.again() && stream.want(waiter(2)) == .waiting)
  }

  @Test("It is taken up after its last event, as long as the server knows that")
  func resuming() {
    var stream = begun()
    var end = ending
    end.lastEventID = Array("7".utf8)
    #expect(isAgain(stream.ended(end), after: 500))
    #expect(stream.lastEventID == Array("7".utf8))
    #expect(stream.want(nil) == .yours)
    #expect(isAgain(stream.ended(End(status: 400, wasAccepted: false, wasOfUse: false)), after: 500))
    #expect(stream.lastEventID.isEmpty)
  }

  @Test("Where the server said when to take it up, no call opens it sooner, and none waits")
  func resting() {
    var stream = begun()
    _ = stream.settle()
    var end = ending
    (end.lastEventID, end.retry) = (Array("7".utf8), 90_000)
    #expect(stream.ended(end) == .again(after: 90_000))
    #expect(!stream.isAwaited && stream.want(waiter(1)) == .settled)
    #expect(stream.again() && stream.isAwaited && stream.want(waiter(1)) == .waiting)
    #expect(stream.settle().count == 1)
    // That time holds until the server names another.
    #expect(stream.ended(ending) == .again(after: 90_000) && !stream.isAwaited)
    // Nobody listened when it came: the next call opens it then.
    stream.rested()
    #expect(stream.isAwaited && stream.want(waiter(2)) == .yours)
    (end.lastEventID, end.retry) = ([], 3_000_000)
    #expect(stream.ended(end) == .again(after: 600_000))
  }

  @Test("What can't be taken up where it ended is opened by the next call, whatever the server said")
  func notKept() {
    var stream = begun()
    var end = ending
    end.retry = 5000
    #expect(stream.ended(end) == .again(after: 5000))
    #expect(stream.isAwaited && stream.want(waiter(1)) == .yours)
  }

  @Test("A refusal with 404 or 400 is the end of a session that had one, and no other's", arguments: [404, 400])
  func sessionLost(status: Int) {
    var stream = begun()
    #expect(stream.ended(End(status: status, wasAccepted: false, wasOfUse: false)) == .giveUp)
    stream = begun()
    _ = stream.ended(ending)
    #expect(stream.want(nil) == .yours)
    #expect(stream.ended(End(status: status, wasAccepted: false, wasOfUse: false)) == .sessionLost)
  }

  @Test(
    "Calls stop waiting for one that comes to nothing three times, though it is tried later and later",
    arguments: [
      End(status: 0, wasAccepted: false, wasOfUse: false), End(status: 503, wasAccepted: false, wasOfUse: false),
      End(status: 200, wasAccepted: true, wasOfUse: false),
    ])
  private func unsteady(_ end: End) {
    var stream = begun()
    for pause: UInt64 in [500, 1000] {
      #expect(isAgain(stream.ended(end), after: pause))
      #expect(stream.want(nil) == .yours)
    }
    #expect(isAgain(stream.ended(end), after: 2000))
    #expect(!stream.isAwaited && stream.want(waiter(1)) == .settled)
    #expect(stream.again() && stream.isAwaited)
    #expect(isAgain(stream.ended(end), after: 4000) && !stream.isAwaited)
    // Nobody listened when it was time.
    stream.rested()
    #expect(stream.isAwaited && stream.want(nil) == .yours)
    #expect(isAgain(stream.ended(ending), after: 500))
    #expect(stream.isAwaited, "it was of use")
  }
}
