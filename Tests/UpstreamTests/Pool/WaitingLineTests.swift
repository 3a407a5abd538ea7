import Testing

@testable import Upstream

@Suite("A line of callers")
struct WaitingLineTests {
  @Test func whoCameFirstIsTheFirst() {
    var line = WaitingLine<Int>()
    for caller in 1...20 { _ = line.join(caller, since: UInt64(caller)) }
    #expect(line.since == 1 && line.nextSince == 2)
    #expect((1...21).map { _ in line.popFirst() } == Array(1...20) + [nil])
    #expect(line.since == nil && line.nextSince == nil)
  }

  @Test func whoLeavesIsPassedOver() {
    var line = WaitingLine<Int>()
    let places = (0..<6).map { line.join($0, since: UInt64($0)) }
    for left in [1, 2, 5, 0] { #expect(line.leave(places[left]) == true) }
    #expect(line.count == 2 && line.since == 3 && line.nextSince == 4)
    #expect((0..<3).map { _ in line.popFirst() } == [3, 4, nil])
    #expect(line.isEmpty)
  }

  @Test func nobodyLeavesTwiceOrAfterBeingCalled() {
    var line = WaitingLine<Int>()
    let places = (0..<3).map { line.join($0, since: 0) }
    _ = line.popFirst()
    #expect(line.leave(places[0]) == false)
    #expect(line.leave(places[1]) == true)
    #expect(line.leave(places[1]) == false)
    #expect(line.leave(.none) == false)
    #expect(line.popFirst() == 2)
    let later = line.join(7, since: 1)
    #expect(places.map { line.leave($0) } == [false, false, false])
    #expect(line.leave(later) == true)
    #expect(line.isEmpty)
  }

  @Test func placesStayRightWhileTheLineMovesOn() {
    var line = WaitingLine<Int>()
    var places: [Int: PoolPlace] = [:]
    var next = 0
    var expected: [Int] = []
    for round in 0..<200 {
      for _ in 0..<round % 7 {
        places[next] = line.join(next, since: 0)
        expected.append(next)
        next += 1
      }
      if round % 3 == 0, let left = expected.dropFirst(round % 5).first, let place = places[left] {
        #expect(line.leave(place) == true)
        expected.removeAll { $0 == left }
      }
      if round % 2 == 0 {
        #expect(line.popFirst() == expected.first)
        expected = Array(expected.dropFirst())
      }
      #expect(line.count == expected.count)
      if line.isEmpty { line.trim() }
    }
  }
}

@Suite("Queue")
struct QueueTests {
  @Test func isLeftAtBothEndsAndInBetween() {
    var queue = Queue<Int>()
    var model: [Int] = []
    for number in 0..<300 {
      queue.append(number)
      model.append(number)
      switch number % 5 {
      case 1: #expect(queue.popFirst() == model.removeFirst())
      case 3: #expect(queue.popLast() == model.removeLast())
      case 4: #expect(queue.remove(at: model.count / 2) == model.remove(at: model.count / 2))
      default: break
      }
      #expect((0..<queue.count).map { queue[$0] } == model)
      #expect(queue.first == model.first && queue.last == model.last)
    }
    while let first = queue.popFirst() { #expect(first == model.removeFirst()) }
    queue.trim()
    #expect(model.isEmpty && queue.popLast() == nil)
    queue.append(1)
    #expect(queue.first == 1)
  }
}
