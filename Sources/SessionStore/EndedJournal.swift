import Logging
import MCP
import Reactor
import Synchronization

/// Which sessions their clients have ended, kept from one process to the next: a session that was ended by DELETE is not
/// made anew. A file that is appended to; two processes may use it, the one that takes over and the one that drains.
public final class EndedJournal: Sendable {
  /// Bytes of the largest file: of one that is larger the end is read, and nothing is added before it is written afresh.
  private static let most = 64 << 20
  /// One that grows by this beyond twice what it has to hold is written afresh.
  private static let slack = 1 << 20
  /// Bytes of a line, about.
  private static let line = 48
  /// How long after a failure it is tried again: twice as long after each, in milliseconds.
  private static let shortestPause: UInt64 = 250
  private static let longestPause: UInt64 = 60_000

  private enum Writer {
    case none
    /// Is about to begin, or waits to try again: whoever comes first does it.
    case awaited(Int)
    case writing
  }

  private struct State {
    var ended = EndedSessions()
    /// Lines to be written, and who waits for it.
    var news: [UInt8] = []
    var waiting: [@Sendable () -> Void] = []
    /// The lines to be written were too many to be kept: everything is written.
    var owesAll = false
    var writer = Writer.none
    /// In a row.
    var failures = 0
    /// Lines that came while the file was written afresh.
    var meanwhile: [UInt8]?
    /// How far which file was read.
    var readTo = 0
    var file: UInt64 = 0
    var hasToldReading = false
    var hasToldSize = false

    mutating func end(_ ticket: SessionTicket, oldest: UInt32) -> [UInt8] {
      ended.oldest = oldest
      ended.end(ticket.id, opened: ticket.minute, share: ticket.share)
      return EndedSessions.line(of: ticket.id, opened: ticket.minute, share: ticket.share)
    }

    mutating func add(_ lines: [UInt8]) {
      // A line that another process left unfinished must not swallow the first of these.
      if news.isEmpty { news.append(0x0A) }
      news += lines
      if news.count > EndedJournal.slack {
        owesAll = true
        news = []
      }
      meanwhile? += lines
    }

    var isOwing: Bool { owesAll || !news.isEmpty }
  }

  /// nil: nothing is kept beyond this process.
  private let file: StateFile?
  private let logger: Logger
  private let state = Mutex(State())

  /// Reads what there is.
  /// - Parameters:
  ///   - directory: nil: none.
  ///   - port: tells it from the journals of other gateways of the same user.
  ///   - oldest: the minute of which and after which tickets are taken.
  public init(in directory: String?, port: Int, oldest: UInt32, logger: Logger) {
    file = directory.map { StateFile("sessions-\(port).ended", in: $0) }
    self.logger = logger
    state.withLock { $0.ended.oldest = oldest }
    readOn()
    state.withLock { $0.ended.forget(openedBefore: oldest) }
  }

  public func contains(_ ticket: SessionTicket) -> Bool {
    state.withLock { $0.ended.contains(ticket.id, opened: ticket.minute, share: ticket.share) }
  }

  /// Whether its client has ended it, however old it may be.
  public func contains(_ id: SessionID) -> Bool { state.withLock { $0.ended.contains(id, opened: .max, share: 0) } }

  /// A client has ended its session in another process, which writes that down.
  public func learn(_ id: SessionID, opened minute: UInt32, share: UInt16) {
    state.withLock { state in
      state.ended.end(id, opened: minute, share: share)
      state.meanwhile? += EndedSessions.line(of: id, opened: minute, share: share)
    }
  }

  /// Those that another process can't read in the file: all, unless everything is there.
  public var untold: [EndedSessions.Ending] {
    state.withLock { file == nil || $0.failures > 0 || $0.isOwing ? $0.ended : nil }?.endings ?? []
  }

  /// Notes that a client has ended its session.
  /// - Parameter written: called once that is in the file, or can't be written for now; from another thread, or at once.
  public func end(_ ticket: SessionTicket, oldest: UInt32, written: @escaping @Sendable () -> Void = {}) {
    let (begins, waits) = state.withLock { state in
      let line = state.end(ticket, oldest: oldest)
      guard file != nil else { return (false, false) }
      state.add(line)
      // Nobody waits for a disk that is full.
      let waits = state.failures == 0
      if waits { state.waiting.append(written) }
      guard case .none = state.writer else { return (false, waits) }
      state.writer = .awaited(0)
      return (true, waits)
    }
    if !waits { written() }
    if begins { Task.detached { self.write(as: 0) } }
  }

  /// Reads what another process has written since: one that drains, say. Blocks.
  public func readOn() {
    guard let file else { return }
    let (start, known) = state.withLock { ($0.readTo, $0.file) }
    do throws(StateFile.Fault) {
      let text = try file.read(from: start, of: known, most: Self.most)
      state.withLock { state in
        // Up to the end of a line: the rest of one that is being written comes later.
        let whole = (text.bytes.lastIndex(of: 0x0A) ?? -1) + 1
        state.ended.read(text.bytes.rawBytes.extracting(0..<whole))
        state.readTo = text.start + whole
        state.file = text.file
      }
      if text.isCut {
        logger.warning(
          "\(file.path) has more than \(Self.most) bytes: only the end of it is read, so that sessions which their clients have ended long ago may be taken again"
        )
      }
    } catch {
      let isFirst = state.withLock { state in
        defer { state.hasToldReading = true }
        return !state.hasToldReading
      }
      guard isFirst else { return }
      logger.warning("which sessions their clients have ended can't be read: \(error); they may be taken again")
    }
  }

  /// Waits until all is written, for so many milliseconds at most. What could not be written is tried a last time.
  public func flush(within milliseconds: UInt64) {
    let end = System.uptime + milliseconds
    if begin() { write(isLast: true) }
    while state.withLock({ if case .writing = $0.writer { true } else { false } }), System.uptime < end {
      System.sleep(milliseconds: 2)
    }
    guard state.withLock({ $0.isOwing }) else { return }
    logger.warning(
      "not all sessions that their clients have ended could be noted: another process may take them again")
  }

  /// Whether whoever asks is to write.
  /// - Parameter turn: nil: whichever it is, if there is something to write.
  private func begin(_ turn: Int? = nil) -> Bool {
    state.withLock { state in
      switch state.writer {
      case .writing: return false
      case .none: guard turn == nil, state.isOwing else { return false }
      case .awaited(let known): guard turn == nil || turn == known else { return false }
      }
      state.writer = .writing
      return true
    }
  }

  private func write(as turn: Int) {
    if begin(turn) { write(isLast: false) }
  }

  private struct Batch {
    var bytes: [UInt8]
    var waiting: [@Sendable () -> Void]
    /// Bytes beyond which the file is not worth it.
    var limit: Int
  }

  /// What is to be written; nil, and nobody writes, if there is nothing.
  private func take() -> Batch? {
    let (news, waiting, all, count) = state.withLock { state in
      defer { (state.news, state.waiting, state.owesAll) = ([], [], false) }
      if !state.isOwing { state.writer = .none }
      return (state.news, state.waiting, state.owesAll ? state.ended : nil, state.ended.count)
    }
    let limit = Self.slack + 2 * count * Self.line
    // Lines are made of them without the lock.
    if let all { return Batch(bytes: [0x0A] + all.lines, waiting: waiting, limit: limit) }
    return news.isEmpty ? nil : Batch(bytes: news, waiting: waiting, limit: limit)
  }

  /// Until there is nothing new, or it fails: one at a time.
  private func write(isLast: Bool) {
    guard let file else { return }
    while let batch = take() {
      do throws(StateFile.Fault) {
        let fault = try file.append(batch.bytes, beyond: batch.limit, most: Self.most) { self.afresh($0) }
        wrote(fault)
        for written in batch.waiting { written() }
      } catch {
        failed(batch, error, isLast: isLast)
        for written in batch.waiting { written() }
        return
      }
    }
  }

  private func wrote(_ fault: StateFile.Fault?) {
    let (isMended, isNews) = state.withLock { state in
      let isNews = fault != nil && !state.hasToldSize
      let isMended = state.failures > 0
      state.hasToldSize = fault != nil
      state.failures = 0
      return (isMended, isNews)
    }
    if isMended { logger.notice("which sessions their clients have ended is kept again") }
    if isNews, let fault {
      logger.warning(
        "the list of sessions that their clients have ended grows, as it can't be written afresh: \(fault)")
    }
  }

  /// It is tried again by and by.
  private func failed(_ batch: Batch, _ fault: StateFile.Fault, isLast: Bool) {
    let failures = state.withLock { state in
      let since = state.news
      state.news = []
      state.add(batch.bytes + since)
      state.failures += 1
      state.writer = isLast ? .none : .awaited(state.failures)
      return state.failures
    }
    if failures == 1 {
      logger.warning(
        "which sessions their clients have ended can't be kept: \(fault); it is tried again, and until it works another process may take them again"
      )
    }
    guard !isLast else { return }
    let pause = min(Self.longestPause, Self.shortestPause << UInt64(min(failures - 1, 16)))
    Task.detached {
      try? await Task.sleep(for: .milliseconds(Int64(pause)))
      self.write(as: failures)
    }
  }

  /// What the file shall hold instead of that, with what another process has added. Parsed and made without the lock, which
  /// calls wait for.
  private func afresh(_ held: StateFile.Contents) -> [UInt8]? {
    var whole = state.withLock { state in
      state.meanwhile = []
      return state.ended
    }
    whole.read(held.bytes.rawBytes)
    whole.forget(openedBefore: whole.oldest)
    let lines = whole.lines
    state.withLock { state in
      whole.oldest = state.ended.oldest
      let meanwhile = state.meanwhile ?? []
      whole.read(meanwhile.rawBytes)
      state.meanwhile = nil
      state.ended = whole
    }
    return lines
  }
}
