import MCP
import Wire

/// What was wrong with a list as an upstream gave it.
struct ListExcess: Equatable {
  var text: String
  /// It is left as it was before.
  var isLeftOut: Bool
}

/// Lists as an upstream has just given them.
struct FetchedLists {
  /// One that is to be served.
  struct Entry {
    let cluster: Cluster
    let fetch: ListFreshnessState.Fetch
    let at: UInt64
    let validity: ListFreshnessState.Validity
  }

  var pages: [ListKind: [[UInt8]]] = [:]
  var entries: [Entry] = []
  var excesses: [ListKind: ListExcess] = [:]
  /// Those that could not be had.
  var failures: [ListKind: UpstreamFailure] = [:]

  /// Why the upstream can't be used at all, if that is so.
  var breakdown: UpstreamFailure? { failures.values.first { $0.meaning != .passing } }

  /// Whether nothing of what was asked for could be had.
  var isInVain: Bool { !failures.isEmpty && pages.values.allSatisfy(\.isEmpty) && excesses.isEmpty }
}

/// Fetching the lists of an upstream, page by page, within bounds.
extension ControlPlane {
  /// The most pages that are fetched of one list: a server whose cursors never end must not hold us up for ever.
  private static var pageLimit: Int { 1000 }

  /// Fetches lists that an upstream offers. One that does not come, or with an error, is left out until somebody asks for
  /// it, as long as another has come: a server whose resources hang has tools all the same.
  func refresh(
    _ supervisor: Supervisor, _ profile: Cluster.Profile, _ kinds: ListKinds
  ) async throws(UpstreamFailure) {
    let isAlone = ListKind.allCases.count { kinds.contains(ListKinds($0)) && profile.offers($0) } < 2
    let patient = worker.settings.callTimeout
    var fetched = await fetch(kinds, supervisor, profile, .first(isAlone ? patient : min(patient, probeTimeout)))
    if !isAlone, fetched.isInVain {
      // It may only be slow.
      fetched = await fetch(kinds, supervisor, profile, .first(patient))
    }
    if let failure = fetched.breakdown ?? (fetched.isInVain ? fetched.failures.values.first : nil) { throw failure }
    take(fetched, supervisor, profile)
    report(fetched, supervisor)
    // What they were told to be is told by the difference that it made, if any.
    supervisor.announcements.forget(kinds)
  }

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
    _ kinds: ListKinds, _ supervisor: Supervisor, _ profile: Cluster.Profile, _ look: Look
  ) async -> FetchedLists {
    var (isFirst, timeout) = (false, worker.settings.callTimeout)
    if case .first(let time) = look { (isFirst, timeout) = (true, time) }
    let cluster = supervisor.cluster
    var fetched = FetchedLists()
    var rest = kinds
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      let begun = cluster.freshness.withLock { $0.begin(kind) }
      guard profile.offer.capabilities.isSuperset(of: kind.method.required) else {
        fetched.pages[kind] = []
        fetched.entries.append(
          FetchedLists.Entry(cluster: cluster, fetch: begun, at: worker.now, validity: .untilAnnounced))
        rest.remove(ListKinds(kind))
        continue
      }
      let others = lists[cluster.id]?.bytes(without: rest) ?? 0
      let taken = fetched.pages.reduce(others) { $1.value.reduce($0) { $0 + $1.count } }
      do throws(UpstreamFailure) {
        let allowance = ListAllowance(listBounds, taken: taken)
        let (outcome, lifetime) = try await pages(
          of: kind, cluster, supervisor.binding, profile, allowance, timeout: timeout, mayLack: isFirst)
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
          FetchedLists.Entry(cluster: cluster, fetch: begun, at: worker.now, validity: validity))
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
    if profile.revision.era == .modern { return .until(lifetime.end ?? worker.now) }
    // Where there is no stream it could tell on, what it declares does not help.
    let isHeard = profile.transport != .streamableHTTP || cluster.streams != .none
    return isHeard && profile.announces(kind) ? .untilAnnounced : .aged
  }

  /// What was fetched is to be served. True if it makes any difference.
  @discardableResult
  func take(_ fetched: FetchedLists, _ supervisor: Supervisor, _ profile: Cluster.Profile) -> Bool {
    let cluster = supervisor.cluster
    var known =
      lists[cluster.id]
      ?? UpstreamLists(
        alias: cluster.alias, revision: profile.revision, isHTTP: profile.transport == .streamableHTTP)
    known.revision = profile.revision
    for entry in fetched.entries where cluster.freshness.withLock({ $0.isNews(entry.fetch) }) {
      let kind = entry.fetch.kind
      if let pages = fetched.pages[kind] { known.pages[kind] = pages }
      note(fetched.excesses[kind], of: kind, supervisor)
      unpublished.append(entry)
    }
    known.isFresh = !supervisor.excesses.values.contains(where: \.isLeftOut)
    let isNew = lists[cluster.id] != known
    lists[cluster.id] = known
    return isNew
  }

  /// What was fetched is served from now on.
  func published() {
    for entry in unpublished {
      entry.cluster.freshness.withLock { $0.published(entry.fetch, at: entry.at, entry.validity) }
    }
    unpublished = []
  }

  private func note(_ excess: ListExcess?, of kind: ListKind, _ supervisor: Supervisor) {
    let cluster = supervisor.cluster
    let isNews = supervisor.excesses[kind] != excess
    supervisor.excesses[kind] = excess
    let wasExcessive = cluster.noteExcess(!supervisor.excesses.isEmpty)
    if isNews, let excess {
      logger.warning("\(cluster.alias): its \(excess.text)", metadata: ["server": "\(cluster.alias)"])
    }
    if supervisor.excesses.isEmpty, wasExcessive {
      logger.info("\(cluster.alias): its lists are within their bounds again", metadata: ["server": "\(cluster.alias)"])
    }
  }

  var listBounds: ListAllowance.Bounds {
    let limits = gateway.configuration.limits
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
      let answer = try await ask(cluster, binding, profile, kind.method, members, timeout)
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
      lifetime.add(result, receivedAt: worker.now)
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

extension Cluster.Profile {
  /// Whether it offers such a list.
  func offers(_ kind: ListKind) -> Bool { offer.capabilities.isSuperset(of: kind.method.required) }

  /// Whether it declares that it tells when that list changes.
  func announces(_ kind: ListKind) -> Bool {
    ListKinds(announcedBy: offer.capabilities).contains(ListKinds(kind))
  }
}
