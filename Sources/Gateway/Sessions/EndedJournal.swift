import Logging
import MCP
import Reactor
import Synchronization

/// Which sessions their clients have ended, kept from one process to the next: a session that was ended by DELETE is not
/// made anew. A file that is appended to; two processes may use it, the one that takes over and the one that drains.
package final class EndedJournal: Sendable {
  /// Bytes of the largest file that is read. One that grows beyond twice what it has to hold is written afresh.
  private static let most = 64 << 20
  private static let slack = 1 << 20

  private struct State {
    var ended = EndedSessions()
    /// Lines to be written.
    var news: [UInt8] = []
    var isWriting = false
    /// How far the file was read, and what it was.
    var readTo = 0
    var hasFailed = false
    /// What was opened before need not be known any more.
    var oldest: UInt32 = 0
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
  package init(in directory: String?, port: Int, oldest: UInt32, logger: Logger) {
    file = directory.map { StateFile("sessions-\(port).ended", in: $0) }
    self.logger = logger
    state.withLock { $0.oldest = oldest }
    readOn()
    state.withLock { $0.ended.forget(openedBefore: oldest) }
  }

  func contains(_ ticket: SessionTicket) -> Bool {
    state.withLock { $0.ended.contains(ticket.id, opened: ticket.minute) }
  }

  /// Notes that a client has ended its session. Written elsewhere, and later: nobody waits for a disk.
  func end(_ ticket: SessionTicket, oldest: UInt32) {
    let begins = state.withLock { state in
      state.ended.end(ticket.id, opened: ticket.minute)
      state.oldest = oldest
      guard file != nil else {
        if state.ended.count.isMultiple(of: 4096) { state.ended.forget(openedBefore: oldest) }
        return false
      }
      // A line that another process left unfinished must not swallow the first of these.
      if state.news.isEmpty { state.news.append(0x0A) }
      state.news += EndedSessions.line(of: ticket.id, opened: ticket.minute)
      defer { state.isWriting = true }
      return !state.isWriting
    }
    if begins { Task.detached { self.write() } }
  }

  /// Reads what another process has written since: one that drains, say. Blocks.
  package func readOn() {
    guard let file else { return }
    let start = state.withLock { $0.readTo }
    do throws(StateFile.Fault) {
      let text = try file.read(from: start, most: Self.most)
      state.withLock { state in
        // Up to the end of a line: the rest of one that is being written comes later.
        let whole = (text.lastIndex(of: 0x0A) ?? -1) + 1
        state.ended.read(text.rawBytes.extracting(0..<whole))
        state.readTo = start + whole
      }
    } catch {
      tell(error)
    }
  }

  /// Waits until all is written, for so many milliseconds at most.
  func flush(within milliseconds: UInt64) {
    let end = System.uptime + milliseconds
    while state.withLock({ $0.isWriting && !$0.hasFailed }), System.uptime < end { System.sleep(milliseconds: 2) }
  }

  /// Until there is nothing new: one at a time.
  private func write() {
    guard let file else { return }
    while true {
      let news = state.withLock { state in
        defer { state.news = [] }
        if state.news.isEmpty { state.isWriting = false }
        return state.news
      }
      guard !news.isEmpty else { return }
      do throws(StateFile.Fault) {
        try file.append(news, beyond: Self.slack, most: Self.most) { self.afresh($0) }
      } catch {
        tell(error)
        // It is tried again with the next one, which may find room; as much as a disk may be behind.
        let goesOn = state.withLock { state in
          state.isWriting = !state.news.isEmpty
          if news.count + state.news.count <= Self.slack { state.news = news + state.news }
          return state.isWriting
        }
        if !goesOn { return }
      }
    }
  }

  /// What the file shall hold instead of that, with what another process has added; nil: what it holds.
  private func afresh(_ held: [UInt8]?) -> [UInt8]? {
    state.withLock { state in
      if let held { state.ended.read(held.rawBytes) }
      state.ended.forget(openedBefore: state.oldest)
      let whole = state.ended.lines
      if let held, held.count <= Self.slack + 2 * whole.count { return nil }
      state.readTo = whole.count
      return whole
    }
  }

  /// Told once.
  private func tell(_ fault: StateFile.Fault) {
    let isFirst = state.withLock { state in
      defer { state.hasFailed = true }
      return !state.hasFailed
    }
    guard isFirst else { return }
    logger.warning(
      "which sessions their clients have ended can't be kept: \(fault); another process may take them again")
  }
}
