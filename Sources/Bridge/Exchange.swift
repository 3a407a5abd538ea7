/// One request to the server and what has come back for it, without any I/O.
///
///     queued ── its turn ──▶ sending ── sent ──▶ awaiting ── head ──▶ reading ── end ──▶ gone
///        ▲                      │ nobody listens                        │ a stream that breaks
///        └──────────────────────┘                                       ▼
///        ▲                                                           resting ── GET ──▶ awaiting
///        └── once more: the session is lost, or its headers were wrong (relisting)
struct Exchange {
  enum Purpose: Equatable {
    /// Carries a message of the client's.
    case client
    /// Opens a session in place of a lost one, in two messages.
    case reopening, reopened
    /// Lists tools again for the call of this number, whose headers were wrong.
    case listing(for: ExchangeID)
    /// The session's own stream.
    case stream
    /// Ends the session.
    case farewell
    /// Finds out whether anybody is there.
    case knock
  }

  enum Phase: Equatable {
    case queued, sending, awaiting, reading, resting, relisting
    /// Nothing more is wanted of it but its end, after which its connection can carry the next.
    case lingering
  }

  let purpose: Purpose
  /// nil for what is no message.
  var message: Message?
  /// Milliseconds.
  var arrival: UInt64
  var phase = Phase.queued
  /// The session that it was last sent in.
  var session: [UInt8]?
  var status = 0
  var reader = AnswerReader(.other)
  /// How often a stream was resumed without a new event.
  var resumptions = 0
  var isAnswered = false
  /// It was sent again in a new session, or after the first connection turned out to have ended.
  var isRepeated = false
  /// Its tools were listed again, or are being: the pages so far, and the refusal that is told if that does not help.
  var relisted = 0
  var refusal: [UInt8]?
  /// The head of an answer has come.
  var hasBegun = false

  /// - Parameter message: nil for what has no turn to wait for.
  init(_ purpose: Purpose, _ message: Message?, arrival: UInt64) {
    if message == nil { phase = .awaiting }
    self.purpose = purpose
    self.message = message
    self.arrival = arrival
  }

  var id: [UInt8]? { message?.id }
  var isRequest: Bool { message?.kind == .request }
  /// Something may come in the body of an answer that is no error.
  var hasAnswer: Bool { purpose == .stream || message?.kind == .request || message?.kind == .batch }
  var isModern: Bool { message?.modernVersion != nil }
  var isOpening: Bool {
    purpose == .reopening || purpose == .reopened || message?.methodCode == .initialize
      || message?.methodCode == .notifyInitialized
  }
  /// Its connection is at work on it, so that something may come of that.
  var isUnderWay: Bool {
    switch phase {
    case .sending, .awaiting, .reading, .lingering: true
    case .queued, .resting, .relisting: false
    }
  }
  /// The client waits for what comes of it, or the session does.
  var isCounted: Bool { purpose != .stream && phase != .lingering }
}

/// A number that tells exchanges apart.
public struct ExchangeID: Hashable, Sendable {
  public var number: UInt64

  public init(number: UInt64) { self.number = number }
}
