import Testing

@testable import Delivery

@Suite("What is told to many") struct FanOutTests {
  /// Notes which of its clients were told when, by the number of the turn.
  private final class Crowd: Round {
    private var left: Int
    private(set) var slices: [Int] = []
    private let note: (Int) -> Void

    init(_ count: Int, _ note: @escaping (Int) -> Void = { _ in }) {
      left = count
      self.note = note
    }

    func tell(atMost count: Int) -> Int {
      let told = min(count, left)
      left -= told
      slices.append(told)
      note(told)
      return told
    }

    var isDone: Bool { left == 0 }
  }

  private let fanOut = FanOut()
  private var first: Int { FanOut.first }
  private var slice: Int { FanOut.slice }

  @Test("few are told at once")
  func few() {
    let crowd = Crowd(3)
    #expect(!fanOut.begin(crowd, now: 1))
    #expect(crowd.isDone && crowd.slices == [3])
  }

  @Test("many are told a slice at a time, each in a turn of its own", arguments: [0, 1, FanOut.slice - 1])
  func many(beyond: Int) {
    let crowd = Crowd(first + slice + beyond)
    #expect(fanOut.begin(crowd, now: 1))
    #expect(fanOut.goOn(now: 1))
    #expect(!fanOut.goOn(now: 2))
    #expect(crowd.isDone && crowd.slices == [first, slice, beyond])
  }

  @Test("rounds are told one after the other, as they were begun")
  func order() {
    var told: [String] = []
    #expect(fanOut.begin(Crowd(first + 1) { _ in told.append("first") }, now: 1))
    #expect(!fanOut.begin(Crowd(1) { _ in told.append("second") }, now: 1))
    #expect(told == ["first"])
    #expect(!fanOut.goOn(now: 1))
    #expect(told == ["first", "first", "second"])
  }

  @Test("rounds that are begun in one turn have one slice together")
  func together() {
    let crowds = [Crowd(first - 1), Crowd(2), Crowd(1)]
    #expect(!fanOut.begin(crowds[0], now: 1))
    #expect(fanOut.begin(crowds[1], now: 1))
    #expect(!fanOut.begin(crowds[2], now: 1))
    #expect(crowds.map(\.isDone) == [true, false, false])
    #expect(!fanOut.goOn(now: 1))
    #expect(crowds.map(\.isDone) == [true, true, true])
    #expect(!fanOut.begin(Crowd(slice - 3), now: 2))
  }

  @Test("what telling leads to is told afterwards")
  func nested() {
    var told: [String] = []
    let fanOut = fanOut
    let outer = Crowd(1) { count in
      guard count > 0, told.isEmpty else { return }
      told.append("outer")
      #expect(!fanOut.begin(Crowd(1) { if $0 > 0 { told.append("inner") } }, now: 1))
      #expect(told == ["outer"])
    }
    #expect(!fanOut.begin(outer, now: 1))
    #expect(told == ["outer", "inner"])
  }
}
