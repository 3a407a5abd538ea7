import Wire

/// The `slow` tool at work: progress after every step, the result after the last.
struct Countdown: Sendable {
  private let call: Call
  private let total: Int
  private var done = 0
  /// Milliseconds that a step takes.
  let interval: UInt64

  init(_ call: Call, _ arguments: borrowing Arguments) throws(Arguments.Fault) {
    self.call = call
    total = Int(try arguments.integer("steps", in: 1...100) ?? 5)
    interval = UInt64(try arguments.integer("interval_ms", in: 10...5000) ?? 300)
  }

  var isOver: Bool { done == total }

  mutating func step() -> [DemonstrationServer.Step] {
    done += 1
    var steps: [DemonstrationServer.Step] = []
    if call.wantsProgress { steps.append(.send(call.progress(done, of: total))) }
    steps.append(isOver ? .send(call.text("\(total) steps")) : .resume(afterMilliseconds: interval))
    return steps
  }
}
