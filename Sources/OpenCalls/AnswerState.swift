import SessionStore

/// What the client of a POST has got of its answer. A value without I/O.
///
///     undecided ─answered─▶ over                      as one JSON message
///      │   │
///      │   └─notified, decided─▶ streaming ─answered─▶ over        as the last event of the stream
///      │                          │     │
///      └────────passed────────────┴──▶ passing ─ended─▶ over       piece by piece, in either form
///
/// Where answers go over a WebSocket or the stream of an HTTP+SSE session nothing is ever begun: it stays `undecided`. A
/// client that leaves while `streaming` may come back for what it missed.
public struct AnswerState: Equatable {
  /// A stream of a session; 0 for a modern client, whose streams have no numbers.
  public typealias Stream = EventLog.StreamNumber

  public enum Phase: Equatable {
    case undecided
    case streaming(Stream)
    /// A large result goes out as it comes, as the whole answer or (with a number) as the last event of a stream.
    case passing(Stream?)
  }

  /// What a message before the response, or the time that has passed without one, comes to.
  enum Notice: Equatable {
    case openStream
    case event(Stream)
    case drop
  }

  /// What the response comes to.
  enum Answer: Equatable {
    case whole
    case lastEvent(Stream)
    /// It can't be finished any more.
    case abort(Stream?)
    case drop
  }

  /// How a large result goes on.
  public enum Passage: Equatable {
    case pass(Stream?)
    /// It is kept whole, so that it can be replayed, up to that size.
    case collect(until: Int)
    case never
  }

  /// What is done when the client's connection is gone.
  enum Departure: Equatable {
    case cancel(Stream?)
    /// The call goes on, and what it brings is kept.
    case keep(Stream?)
  }

  public private(set) var phase = Phase.undecided
  /// The client's connection is gone.
  private(set) var hasLeft = false

  /// Events or pieces have gone out.
  var hasBegun: Bool { phase != .undecided }

  /// The stream of events, where there is one.
  var stream: Stream? { if case .streaming(let stream) = phase { stream } else { nil } }

  /// Nothing has begun, and nobody is there: whatever comes is for nobody.
  public var isForNobody: Bool { hasLeft && phase == .undecided }

  func notified() -> Notice {
    switch phase {
    case .undecided: hasLeft ? .drop : .openStream
    case .streaming(let stream): .event(stream)
    case .passing: .drop
    }
  }

  /// The answer becomes events.
  mutating func began(_ stream: Stream) {
    guard phase == .undecided else { return }
    phase = .streaming(stream)
  }

  func answered() -> Answer {
    switch phase {
    case .undecided: hasLeft ? .drop : .whole
    case .streaming(let stream): .lastEvent(stream)
    case .passing(let stream): .abort(stream)
    }
  }

  /// So many bytes of a large result have come.
  /// - Parameter replay: bytes of a session's streams that can be replayed.
  public func large(_ size: Int, replay: Int) -> Passage {
    guard !hasLeft else { return .never }
    switch phase {
    case .passing: return .never
    case .undecided: return .pass(nil)
    case .streaming(let stream): return stream == 0 || size > replay ? .pass(stream) : .collect(until: replay)
    }
  }

  /// It goes out as it comes from here on.
  mutating func passes() {
    switch phase {
    case .undecided: phase = .passing(nil)
    case .streaming(let stream): phase = .passing(stream)
    case .passing: break
    }
  }

  /// - Parameter mayReturn: it is of the legacy era, where a client that goes away has not cancelled.
  mutating func clientGone(mayReturn: Bool) -> Departure {
    hasLeft = true
    switch phase {
    case .undecided: return mayReturn ? .keep(nil) : .cancel(nil)
    case .streaming(let stream): return mayReturn ? .keep(stream) : .cancel(nil)
    case .passing(let stream): return .cancel(stream)
    }
  }
}
