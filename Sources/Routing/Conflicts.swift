import Catalogue
import MCP
import Wire

/// Two servers whose resources can't be told apart by their form, and who is asked.
public struct ResourceConflict: Sendable, Hashable, CustomStringConvertible {
  public enum Claim: Sendable, Hashable {
    /// A template of the other's that makes URIs which the owner's takes as well.
    case template(String)
    /// A listed resource of the other's that the owner's template would take.
    case listed(String)
  }

  /// Aliases: of the server with the template, and of the other.
  public var owner: String
  public var template: String
  public var other: String
  public var claim: Claim

  public init(owner: String, template: String, other: String, claim: Claim) {
    self.owner = owner
    self.template = template
    self.other = other
    self.claim = claim
  }

  public var description: String {
    switch claim {
    case .template(let theirs):
      "\(other): its template \"\(theirs)\" and \"\(template)\" of \(owner) take the same URIs; "
        + "\(owner) is asked, as it comes first in the configuration"
    case .listed(let uri):
      "\(other): it lists \"\(uri)\", which the template \"\(template)\" of \(owner) takes too; "
        + "\(other) is asked for what it lists, \(owner) for the rest"
    }
  }
}

extension Routes {
  /// What all comparisons may cost, in pieces of templates looked at: a few milliseconds. Lists that are longer are not
  /// compared to their end.
  private static let conflictBudget = 1 << 20

  /// The claims that collide, one of each kind for a pair of servers. For people: no route depends on it.
  public func conflicts() -> [ResourceConflict] {
    var budget = Self.conflictBudget
    var seen: Set<ResourceConflict.Pair> = []
    var found: [ResourceConflict] = []
    func report(_ owner: Int, _ pattern: [UInt8], _ other: Int, _ claim: ResourceConflict.Claim) {
      found.append(
        ResourceConflict(
          owner: catalogue.upstreams[owner].alias, template: pattern.rawBytes.text,
          other: catalogue.upstreams[other].alias, claim: claim))
    }
    let templates = catalogue.entries(.templates).map { ($0, URITemplate($0.own)) }.filter { $0.0.own == $0.0.exposed }
    for (place, (mine, template)) in templates.enumerated() {
      for (theirs, other) in templates[(place + 1)...] where theirs.upstream != mine.upstream {
        guard budget > 0 else { return found }
        let pair = ResourceConflict.Pair(owner: mine.upstream, other: theirs.upstream, isListed: false)
        let collide =
          template.matches(other.sample.rawBytes, budget: &budget)
          || other.matches(template.sample.rawBytes, budget: &budget)
        guard collide, seen.insert(pair).inserted else { continue }
        report(mine.upstream, mine.own, theirs.upstream, .template(theirs.own.rawBytes.text))
      }
      for listed in catalogue.entries(.resources) where listed.upstream != mine.upstream {
        guard budget > 0 else { return found }
        let pair = ResourceConflict.Pair(owner: mine.upstream, other: listed.upstream, isListed: true)
        guard template.matches(listed.own.rawBytes, budget: &budget), seen.insert(pair).inserted else { continue }
        report(mine.upstream, mine.own, listed.upstream, .listed(listed.own.rawBytes.text))
      }
    }
    return found
  }
}

extension ResourceConflict {
  fileprivate struct Pair: Hashable {
    var owner: Int
    var other: Int
    var isListed: Bool
  }
}
