import Catalogue
import MCP
import Testing
import Wire

@testable import Federation

/// What the lists of an upstream may come to.
@Suite("The allowance for lists")
struct ListAllowanceTests {
  private func page(_ count: Int) -> [UInt8] {
    let entries = (0..<count).map { #"{"name":"t\#($0)"}"# }.joined(separator: ",")
    return Array(#"{"tools":[\#(entries)],"nextCursor":"c"}"#.utf8)
  }

  @Test("bytes count over all lists, entries over one")
  func bounds() {
    let size = page(10).count
    var allowance = ListAllowance(ListAllowance.Bounds(bytes: 3 * size, entries: 25), taken: size)
    #expect(allowance.add(page(10).rawBytes, .tools) == nil)
    #expect(allowance.add(page(10).rawBytes, .tools) == nil)
    #expect(allowance.add(page(1).rawBytes, .tools)?.contains("limits.list)") == true)
    var many = ListAllowance(ListAllowance.Bounds(bytes: 100 * size, entries: 25), taken: 0)
    #expect(many.add(page(20).rawBytes, .tools) == nil)
    #expect(many.add(page(5).rawBytes, .tools) == nil)
    #expect(many.add(page(1).rawBytes, .tools)?.contains("limits.list_entries") == true)
  }

  @Test("what is no list has no entries")
  func strangers() {
    var allowance = ListAllowance(ListAllowance.Bounds(bytes: 1000, entries: 1), taken: 0)
    #expect(allowance.add(Array("{}".utf8).rawBytes, .tools) == nil)
    #expect(allowance.add(Array(#"{"tools":7}"#.utf8).rawBytes, .tools) == nil)
  }

  @Test("an upstream's lists are counted without those that are fetched anew")
  func sums() {
    var lists = UpstreamLists(alias: "a", revision: .newestLegacy, isHTTP: false)
    lists.pages = [.tools: [[1, 2], [3]], .prompts: [[4]]]
    #expect(lists.bytes(without: []) == 4)
    #expect(lists.bytes(without: .tools) == 1)
  }
}
