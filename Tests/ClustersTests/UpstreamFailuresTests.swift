import MCP
import Testing

@testable import Clusters

@Suite("What goes wrong with an upstream")
struct UpstreamFailuresTests {
  private static let cluster = Cluster(embedded: "far", Cluster.Name(number: 0, id: 1))

  static let errors: [GatewayError] = [
    .unavailable(cluster, "why", retryAfter: 70), .lost(cluster, "why"), .refused(cluster, "why"),
    .sessionEnded(cluster), .forgotten(cluster, "why"), .credentials(cluster, status: 401), .busy(cluster, "why"),
    .malformed(cluster, "why"), .timedOut(cluster, milliseconds: 9), .tooLarge(cluster, limit: 9), .moved(cluster),
  ]

  @Test("is told with the name of the server, in a sentence and apart from it", arguments: errors)
  func names(_ error: GatewayError) {
    #expect(error.server == "far" && error.message?.hasPrefix("server \"far\" ") == true)
  }

  @Test("says in another sentence about the server why, without naming it again", arguments: errors)
  func causes(_ error: GatewayError) throws {
    let cause = try #require(error.cause)
    #expect(error.message?.hasSuffix(cause) == true && !cause.contains("far"))
  }

  @Test("is sent once more only where it is known that nobody has acted on it")
  func retries() {
    let retries = Self.errors.map(\.retry)
    let safe: [GatewayError.Retry] = [.safe, .safe, .safe]
    #expect(retries.filter { $0 == .safe } == safe)
    for error in [GatewayError.sessionEnded(Self.cluster), .forgotten(Self.cluster, ""), .busy(Self.cluster, "")] {
      #expect(error.retry == .safe)
    }
    for error in [GatewayError.unavailable(Self.cluster, "", retryAfter: nil), .lost(Self.cluster, "")] {
      #expect(error.retry == .ifNothingSent)
    }
    for error in [GatewayError.timedOut(Self.cluster, milliseconds: 1), .malformed(Self.cluster, "")] {
      #expect(error.retry == .never)
    }
  }

  @Test("says when to ask again where that is known")
  func times() {
    #expect(GatewayError.unavailable(Self.cluster, "", retryAfter: 70).retryAfterMilliseconds == 70)
    #expect(GatewayError.unavailable(Self.cluster, "", retryAfter: nil).retryAfterMilliseconds == nil)
    #expect(GatewayError.unavailable(Self.cluster, "", retryAfter: .max).retryAfterMilliseconds == .max)
    #expect(GatewayError.moved(Self.cluster).retryAfterMilliseconds == 0)
    #expect(GatewayError.busy(Self.cluster, "").retryAfterMilliseconds == 1000)
    #expect(GatewayError.lost(Self.cluster, "").retryAfterMilliseconds == nil)
  }

  @Test("a client hears what it would have to declare, as the object that the protocol wants")
  func lacking() {
    let error = GatewayError.lacking([.sampling, .roots], of: Self.cluster)
    guard error.kind == .missingCapability, case .requiredCapabilities(let object) = error.detail else {
      Issue.record("it says nothing of capabilities")
      return
    }
    let text = String(decoding: object, as: UTF8.self)
    #expect(text.contains(#""sampling":{}"#) && text.contains(#""roots":{}"#) && !text.contains("elicitation"))
    #expect(error.server == "far" && error.message?.hasPrefix("server \"far\" ") == true)
    #expect(error.message?.hasSuffix(text) == true)
  }
}
