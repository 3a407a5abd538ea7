import Testing
import Upstream

@testable import UpstreamHealth

@Suite("Which endpoints get calls")
struct EndpointFitnessTests {
  private typealias Status = HealthState.Status
  private static let hung = Status.unhealthy(since: 0, .timeout)
  private static let dead = Status.unhealthy(since: 0, .refused)
  private static let comingBack = Status.comingBack(since: 0)

  private func grades(_ statuses: [Status], isProcesses: Bool = false, ejected: Set<Int> = []) -> [EndpointFitness
    .Grade]
  {
    var fitness = EndpointFitness(endpoints: statuses.count, isProcesses: isProcesses)
    _ = fitness.update(statuses) { ejected.contains($0) }
    return fitness.grades
  }

  @Test("What does not answer its checks gets none while another is well")
  func outOfSeveral() {
    #expect(grades([.healthy, Self.hung, Self.dead]) == [.usable, .unhealthy, .unhealthy])
    #expect(grades([.unknown, Self.hung]) == [.usable, .unhealthy])
    #expect(grades([.healthy, .healthy, .healthy], ejected: [1]) == [.usable, .ejected, .usable])
    #expect(grades([.stopped, .stopped]) == [.usable, .usable])
  }

  @Test("Those that are slow get calls where none is well, and those that nobody listens at do not")
  func panic() {
    #expect(grades([Self.hung, Self.hung, Self.hung]) == [.usable, .usable, .usable])
    #expect(grades([Self.hung, Self.dead]) == [.usable, .unhealthy])
    #expect(grades([Self.dead, Self.dead]) == [.unhealthy, .unhealthy])
    #expect(grades([Self.hung]) == [.usable])
    // What comes back is not well yet.
    #expect(grades([Self.hung, Self.comingBack]) == [.usable, .usable])
    #expect(grades([Self.hung, Self.hung], ejected: [0]) == [.ejected, .usable])
  }

  @Test("What becomes of no use is told once, the last that is well is not, and the others are once one is well again")
  func losses() {
    var fitness = EndpointFitness(endpoints: 3, isProcesses: false)
    func update(_ statuses: Status...) -> [Int] { fitness.update(statuses) { _ in false } }
    #expect(update(.healthy, .healthy, .healthy) == [])
    #expect(update(.healthy, Self.hung, .healthy) == [1])
    #expect(update(.healthy, Self.hung, .healthy) == [])
    #expect(update(Self.hung, Self.hung, .healthy) == [0])
    #expect(update(Self.hung, Self.hung, Self.hung) == [])
    #expect(fitness.grades == [.usable, .usable, .usable])
    #expect(update(Self.hung, .healthy, Self.hung) == [0, 2])
  }

  @Test("A process that is started gets none before it has answered, while another is there or not")
  func processes() {
    #expect(grades([.healthy, .unknown, Self.comingBack], isProcesses: true) == [.usable, .unhealthy, .unhealthy])
    #expect(grades([.healthy, .stopped], isProcesses: true) == [.usable, .usable])
    #expect(grades([Self.comingBack, .unknown], isProcesses: true) == [.unhealthy, .unhealthy])
    // The same of URLs is for their circuit breakers to say.
    #expect(grades([.healthy, .unknown, Self.comingBack]) == [.usable, .usable, .usable])
  }
}
