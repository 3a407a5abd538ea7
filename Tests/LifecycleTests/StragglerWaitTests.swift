import Testing

@testable import Lifecycle

@Suite("The wait for upstreams that have not answered when others have")
struct StragglerWaitTests {
  private func end(well: Int, missing: Int, commands: Int = 0, at now: UInt64 = 0, limit: UInt64 = 3000) -> UInt64 {
    var wait = StragglerWait(limit: limit)
    return wait.end(well: well, missing: missing, commands: commands, now: now)
  }

  @Test("is the share that they have of first_list_wait")
  func share() {
    #expect(end(well: 4, missing: 2) == 1500)
    #expect(end(well: 3, missing: 1) == 1000)
    #expect(end(well: 160, missing: 20) == 375)
    #expect(end(well: 199, missing: 1) == StragglerWait.shortest)
  }

  @Test("is all of it where those that are well are no more than those that are missing")
  func few() {
    #expect(end(well: 0, missing: 1) == 3000)
    #expect(end(well: 1, missing: 1) == 3000)
    #expect(end(well: 19, missing: 20) == 3000)
  }

  @Test("is all of it for a command, which may be busy with its start")
  func commands() {
    #expect(end(well: 160, missing: 20, commands: 1) == 3000)
  }

  @Test("is half as long again as the slowest of the others took, whoever has asked meanwhile")
  func slowest() {
    var wait = StragglerWait(limit: 3000)
    #expect(wait.end(well: 159, missing: 6, commands: 0, now: 150) == StragglerWait.shortest)
    #expect(wait.end(well: 160, missing: 5, commands: 0, now: 1000) == 1500)
    #expect(wait.end(well: 160, missing: 5, commands: 0, now: 1400) == 1500)
  }

  @Test("is never longer than first_list_wait", arguments: [0, 100, 400] as [UInt64])
  func limit(_ limit: UInt64) {
    #expect(end(well: 160, missing: 20, at: 2500, limit: limit) == limit)
  }
}
