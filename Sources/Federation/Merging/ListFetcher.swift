import Clusters
import Configuration
import MCP
import Supervision
import Wire
import Workers

/// Fetches the lists of upstreams, page by page, within bounds.
final class ListFetcher: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let questions: UpstreamQuestions
  private let lists: ServerLists

  init(_ loop: ControlLoop, _ questions: UpstreamQuestions, _ lists: ServerLists) {
    self.loop = loop
    self.questions = questions
    self.lists = lists
  }

  /// The most pages that are fetched of one list: a server whose cursors never end must not hold us up for ever.
  private static let pageLimit = 1000

  /// Why lists are fetched.
  enum Look {
    /// Nothing is known of the upstream yet, or no longer, and each list has so many milliseconds. It ends where the upstream
    /// can't be reached.
    case first(UInt64)
    /// It is served.
    case again
  }

  /// Asks an upstream for lists.
  func fetch(
    _ kinds: ListKinds, _ supervised: SupervisedCluster, _ profile: Cluster.Profile, _ look: Look
  ) async -> FetchedLists {
    var (isFirst, timeout) = (false, loop.settings.callTimeout)
    if case .first(let time) = look { (isFirst, timeout) = (true, time) }
    let cluster = supervised.cluster
    var fetched = FetchedLists()
    var rest = kinds
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      let begun = cluster.freshness.withLock { $0.begin(kind) }
      guard profile.offer.capabilities.isSuperset(of: kind.method.required) else {
        fetched.pages[kind] = []
        fetched.entries.append(
          FetchedLists.Entry(cluster: cluster, fetch: begun, at: loop.now, validity: .untilAnnounced))
        rest.remove(ListKinds(kind))
        continue
      }
      let others = lists[cluster]?.bytes(without: rest) ?? 0
      let taken = fetched.pages.reduce(others) { $1.value.reduce($0) { $0 + $1.count } }
      do throws(UpstreamFailure) {
        let allowance = ListAllowance(bounds, taken: taken)
        let (outcome, lifetime) = try await pages(
          of: kind, cluster, supervised.binding, profile, allowance, timeout: timeout, mayLack: isFirst)
        switch outcome {
        case .whole(let pages): fetched.pages[kind] = pages
        case .endless(let pages, let why):
          fetched.pages[kind] = pages
          fetched.excesses[kind] = ListExcess(text: "\(kind) are taken as far as they came: \(why)", isLeftOut: false)
        case .tooMuch(let why):
          // What it listed before stays served, and is not to be kept.
          fetched.excesses[kind] = ListExcess(text: "\(kind) are left as they were before: \(why)", isLeftOut: true)
        }
        let validity = fetched.pages[kind] == nil ? .aged : validity(of: kind, cluster, profile, lifetime)
        fetched.entries.append(
          FetchedLists.Entry(cluster: cluster, fetch: begun, at: loop.now, validity: validity))
      } catch {
        fetched.failures[kind] = error
        if isFirst, error.meaning != .passing { return fetched }
      }
      rest.remove(ListKinds(kind))
    }
    return fetched
  }

  private func validity(
    of kind: ListKind, _ cluster: Cluster, _ profile: Cluster.Profile, _ lifetime: ListLifetime
  ) -> ListFreshnessState.Validity {
    if profile.revision.era == .modern { return .until(lifetime.end ?? loop.now) }
    // Where there is no stream it could tell on, what it declares does not help.
    let isHeard = profile.transport != .streamableHTTP || cluster.streams != .none
    return isHeard && profile.announces(kind) ? .untilAnnounced : .aged
  }

  var bounds: ListAllowance.Bounds {
    let limits = loop.configuration.limits
    return ListAllowance.Bounds(bytes: limits.list, entries: limits.listEntries)
  }

  enum Fetched {
    case whole([[UInt8]])
    /// The server goes on without end, mostly by mistake: what it has told so far is likely all there is.
    case endless([[UInt8]], String)
    /// It goes beyond what its lists may come to.
    case tooMuch(String)
  }

  /// - Parameter mayLack: an error says that there is no such list, but of tools.
  func pages(
    of kind: ListKind, _ cluster: Cluster, _ binding: UpstreamSession?, _ profile: Cluster.Profile,
    _ allowance: ListAllowance, timeout: UInt64? = nil, mayLack: Bool = true
  ) async throws(UpstreamFailure) -> (Fetched, ListLifetime) {
    var allowance = allowance
    var lifetime = ListLifetime()
    var pages: [[UInt8]] = []
    var cursor: [UInt8]?
    var seen: Set<[UInt8]> = []
    while pages.count < Self.pageLimit {
      let members = cursor.map { Array("\"cursor\":".utf8) + $0 } ?? []
      let answer = try await questions.ask(cluster, binding, profile, kind.method, members, timeout)
      let scanner = EnvelopeScanner()
      let envelopes = scanner
      let envelope = envelopes.scan(answer.rawBytes)
      guard envelope.kind == .result, let result = envelope.result else {
        // A server that has no such list after all.
        if envelope.errorCode == -32601 { return (.whole([]), lifetime) }
        let why = envelope.errorMessage ?? "an error"
        if pages.isEmpty, mayLack, kind != .tools { return (.whole([]), lifetime) }
        throw UpstreamFailure("\(kind.method.name.text) failed: \(why)", .passing)
      }
      if let why = allowance.add(result, kind) { return (.tooMuch(why), lifetime) }
      pages.append(result.array)
      lifetime.add(result, receivedAt: loop.now)
      guard let next = envelope.value(ResultKey.nextCursor), JSON.kind(of: next) == .string else {
        return (.whole(pages), lifetime)
      }
      guard seen.insert(next.array).inserted else {
        return (.endless(pages, "the cursors go round in a circle"), lifetime)
      }
      cursor = next.array
    }
    return (.endless(pages, "there are more than \(Self.pageLimit) pages"), lifetime)
  }
}
