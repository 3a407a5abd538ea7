import MCP
import Testing

@testable import Upstream

@Suite("Outcomes of calls")
struct CallOutcomeTests {
  @Test("5xx counts against the server, and what is not one of its messages")
  func statuses() {
    for status in [500, 501, 502, 503, 504, 520, 599] {
      #expect(CallOutcome(status: status) == .failure(.serverError), "\(status)")
    }
    for status in [200, 202, 204] { #expect(CallOutcome(status: status) == .failure(.garbage), "\(status)") }
    #expect(CallOutcome(status: 408) == .failure(.timeout))
  }

  @Test("Denials, redirects and refused requests do not count, and are signs of life")
  func denials() {
    for status in [301, 307, 400, 401, 403, 404, 405, 406, 409, 413, 415, 421, 429] {
      let outcome = CallOutcome(status: status)
      #expect(outcome == .neutral(answered: true) && outcome.provesLife, "\(status)")
    }
  }

  @Test("Of JSON-RPC errors only the internal one counts against the server")
  func errors() {
    #expect(CallOutcome(error: -32603) == .failure(.internalError))
    for code: Int64 in [-32601, -32602, -32002, -32042, 0, 1, -1, 4711] {
      #expect(CallOutcome(error: code) == .success, "\(code)")
    }
    for code: Int64 in [-32700, -32600, -32000, -32001, -32003, -32019, -32020, -32021, -32022, -32800] {
      #expect(CallOutcome(error: code) == .neutral(answered: true), "\(code)")
    }
  }

  @Test("The status of an error's answer counts where it says more than the error")
  func errorsWithStatus() {
    #expect(CallOutcome(error: -32000, status: 503) == .failure(.serverError))
    #expect(CallOutcome(error: -32602, status: 400) == .success)
    #expect(CallOutcome(error: 4711, status: 429) == .neutral(answered: true))
    #expect(CallOutcome(error: -32603, status: 403) == .neutral(answered: true))
  }

  @Test("A tool that came to nothing counts only where that is wanted")
  func toolErrors() {
    #expect(CallOutcome(resultIsError: false, counts: true) == .success)
    #expect(CallOutcome(resultIsError: true) == .success)
    #expect(CallOutcome(resultIsError: true, counts: true) == .failure(.toolError))
  }

  @Test("Of the gateway's own errors those count that are about a connection, a wait or an answer")
  func ownErrors() {
    let failures: [GatewayError.Kind: CallOutcome.Failure] = [
      .upstreamUnreachable: .transport, .upstreamClosed: .transport, .upstreamTimeout: .timeout,
      .upstreamInvalid: .garbage,
    ]
    let answers: Set<GatewayError.Kind> = [.upstreamRefused, .upstreamCredentials, .resultTooLarge]
    for kind in GatewayError.Kind.allCases {
      let expected =
        failures[kind].map(CallOutcome.failure) ?? .neutral(answered: answers.contains(kind))
      #expect(CallOutcome(kind) == expected, "\(kind)")
    }
  }

  @Test("A client that goes away says nothing of the server")
  func withdrawn() {
    #expect(CallOutcome.withdrawn.failure == nil && !CallOutcome.withdrawn.provesLife)
  }

  @Test("A server that answers lives, whatever it says; one that is silent, or whose gate answers, does not")
  func life() {
    #expect(CallOutcome.success.provesLife && CallOutcome(error: -32603).provesLife)
    for failure in [CallOutcome.Failure.refused, .transport, .timeout, .serverError, .garbage] {
      #expect(!CallOutcome.failure(failure).provesLife, "\(failure)")
    }
  }

  @Test("Each has a label of its own")
  func labels() {
    let outcomes = CallOutcome.Failure.allCases.map(CallOutcome.failure) + [.success, .withdrawn]
    #expect(Set(outcomes.map { $0.label.description }).count == outcomes.count)
  }
}
