import MCP
import Testing

@testable import Clusters
@testable import Workers

/// Who shares a conversation: never clients that are not the same principal, nor such as could be asked different things.
@Suite("Conversations that are shared")
struct UpstreamSessionsTests {
  private let sessions = UpstreamSessions()
  private let cluster = Cluster(embedded: "demo", Cluster.Name(number: 0, id: 1))
  private let ada = Principal(subject: "CN=ada")
  private let bob = Principal(subject: "CN=bob")

  @Test("the same principal with the same abilities has one, and nobody else has it")
  func principals() {
    let first = sessions.session(cluster, at: 0, ada, abilities: .roots)
    #expect(sessions.session(cluster, at: 0, ada, abilities: .roots) === first)
    #expect(sessions.session(cluster, at: 0, bob, abilities: .roots) !== first)
    #expect(sessions.session(cluster, at: 0, ada, abilities: .sampling) !== first)
    #expect(sessions.session(cluster, at: 0, ada, abilities: []) !== first)
    #expect(first.abilities == .roots && first.owner == nil && !first.isFollowed)
    #expect(sessions.known(cluster, at: 0, ada, abilities: .roots) === first)
    #expect(sessions.known(cluster, at: 0, bob, abilities: .sampling) == nil)
    #expect(sessions.all.count == 4)
  }

  @Test("everybody's is one, which the control loop listens to")
  func everybody() {
    let shared = sessions.shared(cluster, at: 0)
    #expect(sessions.shared(cluster, at: 0) === shared && shared.isFollowed)
    #expect(sessions.session(cluster, at: 0, .anonymous, abilities: .relayable) !== shared)
    guard case .everybody = sessions.sharing(of: shared) else {
      Issue.record("it is not everybody's")
      return
    }
  }

  @Test("those of a cluster that is left are taken out, once, and no other")
  func left() {
    let other = Cluster(embedded: "other", Cluster.Name(number: 1, id: 2))
    let (one, two) = (sessions.shared(cluster, at: 0), sessions.session(cluster, at: 0, ada, abilities: []))
    let kept = sessions.shared(other, at: 0)
    let taken = sessions.take(of: cluster)
    #expect(taken.count == 2 && taken.contains { $0 === one } && taken.contains { $0 === two })
    #expect(sessions.take(of: cluster).isEmpty)
    #expect(sessions.all.count == 1 && sessions.all[0] === kept)
    #expect(sessions.shared(cluster, at: 0) !== one)
  }

  @Test("who subscribed, wanted logs or was asked something still is when the server has changed")
  func inherited() {
    let session = SessionID(worker: 1)
    let (uri, question) = (Array("file:///a".utf8), Array("e1".utf8))
    let former = sessions.session(cluster, at: 0, ada, abilities: [])
    former.subscribe(uri, session, isMarked: true)
    #expect(former.lowerLogLevel(to: .warning))
    former.asked(question, session, now: 0)
    let next = Cluster(embedded: "demo", Cluster.Name(number: 0, id: 2))
    let made = sessions.session(next, at: 0, ada, abilities: [])
    #expect(made !== former)
    #expect(made.isSubscribed(uri, session) && made.subscribers(of: uri)[session]?.isMarked == true)
    #expect(made.requestedLevel == .warning && !made.lowerLogLevel(to: .error))
    #expect(made.session(asked: question, now: 1) == session)
    let strange = sessions.session(next, at: 0, bob, abilities: [])
    #expect(strange.subscriptions.isEmpty && strange.requestedLevel == nil)
  }
}
