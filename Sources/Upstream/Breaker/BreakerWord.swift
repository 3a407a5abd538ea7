/// What every call has to know of a circuit breaker, in one word: 0 where it is closed and nothing has failed lately.
///
///     bits 0-1    the phase
///     bit 2       closed: the last call failed
///     bit 3       closed: of the calls within the window some failed
///     bits 8-63   otherwise: until when nothing else is admitted, in milliseconds
struct BreakerWord: Equatable {
  enum Phase: UInt64 { case closed, open, halfOpen, comingBack }

  let rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }

  init(closedAfter failure: Bool, failuresLately: Bool) {
    rawValue = (failure ? 4 : 0) | (failuresLately ? 8 : 0)
  }

  init(_ phase: Phase, until: UInt64) { rawValue = phase.rawValue | until << 8 }

  var phase: Phase { Phase(rawValue: rawValue & 3) ?? .closed }
  var isClosed: Bool { rawValue & 3 == 0 }
  var isQuiet: Bool { rawValue == 0 }
  /// Whether it matters to the breaker at once that a call has succeeded.
  var awaitsSuccess: Bool { isClosed && rawValue & 4 != 0 }
  /// Whether it counts how many calls there are.
  var countsCalls: Bool { isClosed && rawValue & 8 != 0 }
  var until: UInt64 { rawValue >> 8 }
}
