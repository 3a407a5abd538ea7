import CReactor
import Foundation
import Testing

/// The plan by which a name's addresses are tried, played through without sockets.
@Suite("Attempts to connect")
struct AttemptTests {
  private static let v4 = AF_INET
  private static let v6 = AF_INET6

  struct Order: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var families: [Int32]
    var answered: Int32 = -1
    var order: [UInt32]

    static let all = [
      Order(testDescription: "nothing", families: [], order: []),
      Order(testDescription: "one", families: [v4], order: [0]),
      Order(testDescription: "IPv6 first, as the resolver has it", families: [v6, v6, v4, v4], order: [0, 2, 1, 3]),
      Order(testDescription: "IPv4 first, as the resolver has it", families: [v4, v4, v6], order: [0, 2, 1]),
      Order(testDescription: "one family", families: [v6, v6, v6], order: [0, 1, 2]),
      Order(testDescription: "the rest of the longer family", families: [v6, v4, v6, v6], order: [0, 1, 2, 3]),
      Order(
        testDescription: "what answered goes first, and its family counts", families: [v6, v6, v4, v4], answered: 3,
        order: [3, 0, 2, 1]),
      Order(testDescription: "what answered is not there any more", families: [v6, v4], answered: 2, order: [0, 1]),
      Order(
        testDescription: "more than there is room for", families: [v6, v6, v6, v6, v6, v6, v6, v6, v4],
        order: [0, 1, 2, 3, 4, 5, 6, 7]),
    ]
  }

  @Test("take turns by family", arguments: Order.all)
  func order(_ row: Order) {
    var plan = cr_attempts()
    cr_attempts_plan(&plan, row.families, UInt32(row.families.count), row.answered)
    var order: [UInt32] = []
    while case let action = cr_attempts_next(&plan, 0), action.step == CR_ATTEMPT_BEGIN {
      order.append(action.address)
      cr_attempts_failed(&plan, action.address, -ECONNREFUSED)
    }
    #expect(order == row.order)
  }

  /// A plan of four addresses of one family, and what it says.
  private struct Play {
    var plan = cr_attempts()

    init(_ count: UInt32 = 4) {
      cr_attempts_plan(&plan, [Int32](repeating: v4, count: Int(count)), count, -1)
    }

    /// "begin 0", "wait 250", "wait", "give up ECONNREFUSED".
    mutating func next(at now: UInt64) -> String {
      let action = cr_attempts_next(&plan, now)
      switch action.step {
      case CR_ATTEMPT_BEGIN: return "begin \(action.address)"
      case CR_ATTEMPT_WAIT: return action.until == .max ? "wait" : "wait \(action.until)"
      default: return "give up \(action.status)"
      }
    }

    mutating func fail(_ address: UInt32, _ error: Int32 = ECONNREFUSED) { cr_attempts_failed(&plan, address, -error) }
  }

  @Test("begin a quarter of a second after one another")
  func delay() {
    var play = Play(3)
    #expect(play.next(at: 1000) == "begin 0")
    #expect(play.next(at: 1000) == "wait 1250")
    #expect(play.next(at: 1249) == "wait 1250")
    #expect(play.next(at: 1260) == "begin 1")
    #expect(play.next(at: 1260) == "wait 1510")
    #expect(play.next(at: 1510) == "begin 2")
    #expect(play.next(at: 1510) == "wait")
  }

  @Test("begin at once when the latest has failed, and keep their time when an earlier one has")
  func hurry() {
    var play = Play()
    #expect(play.next(at: 0) == "begin 0")
    play.fail(0)
    #expect(play.next(at: 10) == "begin 1")
    #expect(play.next(at: 10) == "wait 260")
    #expect(play.next(at: 260) == "begin 2")
    play.fail(1)
    #expect(play.next(at: 300) == "wait 510")
    play.fail(2)
    #expect(play.next(at: 310) == "begin 3")
    #expect(play.next(at: 310) == "wait")
    play.fail(3)
    #expect(play.next(at: 320) == "give up \(-ECONNREFUSED)")
    var other = Play()
    #expect(other.next(at: 0) == "begin 0" && other.next(at: 250) == "begin 1")
    other.fail(1)
    #expect(other.next(at: 260) == "begin 2", "while the first one is still under way")
  }

  @Test(
    "fail with what the first peer said, or else with why there is no way",
    arguments: [
      ([ECONNREFUSED, ETIMEDOUT], ECONNREFUSED), ([ENETUNREACH, ECONNREFUSED], ECONNREFUSED),
      ([ECONNREFUSED, ENETUNREACH], ECONNREFUSED), ([ENETUNREACH, EHOSTUNREACH], EHOSTUNREACH),
      ([], EADDRNOTAVAIL),
    ])
  func status(errors: [Int32], said: Int32) {
    var play = Play(UInt32(errors.count))
    for (address, error) in errors.enumerated() {
      #expect(play.next(at: 0) == "begin \(address)")
      play.fail(UInt32(address), error)
    }
    #expect(play.next(at: 0) == "give up \(-said)")
  }
}
