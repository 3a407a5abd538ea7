import Catalogue
import Logging
import Reactor
import Synchronization
import Wire

/// What servers last called their own, kept from one start of the gateway to the next. A file that is appended to, of
/// which the last line about a server counts. Useless to lose: without it a server that is down at the start has no
/// names until it answers.
public final class NameJournal: Sendable {
  /// Bytes of the largest file that is read. One that grows beyond twice what it has to hold is written afresh.
  private static let most = 16 << 20
  private static let slack = 1 << 20
  /// The longest that `hold` waits, in milliseconds.
  private static let holdWait: UInt64 = 1000

  private struct State {
    var names: [String: KnownNames]
    /// Servers whose names are to be written.
    var news: Set<String> = []
    var isWriting = false
    /// The file is another process's to write.
    var isHeld = false
    /// What is there can't be read, and is left alone.
    var isBroken = false
    var hasFailed = false
  }

  private let file: StateFile
  private let logger: Logger
  private let state: Mutex<State>

  /// Reads what there is.
  /// - Parameter port: tells it from the journals of other gateways of the same user.
  public init(in directory: String, port: Int, logger: Logger) {
    file = StateFile("names-\(port)", in: directory)
    self.logger = logger
    var names: [String: KnownNames] = [:]
    var isBroken = false
    do throws(StateFile.Fault) {
      let text = try file.read(most: Self.most)
      names = KnownNames.read(text.bytes.rawBytes).filter { !$0.value.isEmpty }
      if text.isCut { logger.warning("\(file.path) has more than \(Self.most) bytes: only the end of it is read") }
    } catch {
      logger.warning("what servers were last called can't be read: \(error)")
      isBroken = true
    }
    state = Mutex(State(names: names, isBroken: isBroken))
  }

  /// As they were when it was read, and as they were given since.
  var names: [String: KnownNames] { state.withLock { $0.names } }

  /// Keeps the names of a server; none: forgets it. Written elsewhere, and later: nobody waits for a disk.
  func keep(_ names: KnownNames, of alias: String) {
    let begins = state.withLock { state in
      guard !state.isBroken else { return false }
      state.names[alias] = names.isEmpty ? nil : names
      state.news.insert(alias)
      return Self.begin(&state)
    }
    if begins { Task.detached { self.write() } }
  }

  /// Whether there is something to write, and nobody does.
  private static func begin(_ state: inout State) -> Bool {
    guard !state.isHeld, !state.isWriting, !state.news.isEmpty else { return false }
    state.isWriting = true
    return true
  }

  /// Leaves the file to another process: of two of which one takes the other's place, the one that serves writes. What is
  /// new is kept for later. Waits for what is being written, but not for long.
  public func hold() {
    let end = System.uptime + Self.holdWait
    state.withLock { $0.isHeld = true }
    while state.withLock({ $0.isWriting }), System.uptime < end { System.sleep(milliseconds: 5) }
  }

  /// From now on the file is this process's.
  public func release() {
    let begins = state.withLock { state in
      state.isHeld = false
      return Self.begin(&state)
    }
    if begins { Task.detached { self.write() } }
  }

  /// Until there is nothing new: one at a time.
  private func write() {
    while true {
      let (news, all) = state.withLock { state in
        defer { state.news = [] }
        if state.news.isEmpty { state.isWriting = false }
        return (state.news, state.names)
      }
      guard !news.isEmpty else { return }
      do throws(StateFile.Fault) {
        // A line that another process left unfinished must not swallow the first of these.
        let lines = news.sorted().flatMap { (all[$0] ?? KnownNames()).line(of: $0) }
        let fault = try file.append([0x0A] + lines, beyond: Self.slack, most: Self.most) { Self.afresh($0, all) }
        if let fault { tell(fault) }
      } catch {
        // Told once: what is kept is a convenience. It is tried again with the next change, which may find room.
        let goesOn = state.withLock { state in
          state.isWriting = !state.news.isEmpty
          state.news.formUnion(news)
          return state.isWriting
        }
        tell(error)
        if !goesOn { return }
      }
    }
  }

  /// Told once.
  private func tell(_ fault: StateFile.Fault) {
    let isFirst = state.withLock { state in
      defer { state.hasFailed = true }
      return !state.hasFailed
    }
    if isFirst { logger.warning("what servers are called can't be kept for the next start: \(fault)") }
  }

  /// What the file shall hold instead; nil if it is not worth it. Another process may have written what this one does not
  /// know, so what is there counts, as far as it is read.
  private static func afresh(_ held: StateFile.Contents, _ all: [String: KnownNames]) -> [UInt8]? {
    let known = KnownNames.read(held.bytes.rawBytes)
    let names = held.isCut ? all.merging(known) { $1 } : known
    let whole = names.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }.flatMap { $0.value.line(of: $0.key) }
    return held.isCut || held.bytes.count > slack + 2 * whole.count ? whole : nil
  }
}
