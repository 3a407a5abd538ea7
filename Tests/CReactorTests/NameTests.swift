import CReactor
import CReactorPeers
import Foundation
import Testing

/// All addresses of a name, by the system's resolver.
@Suite("All addresses of a name")
struct NameTests {
  private func find(_ name: String, room: Int = 1024) -> (status: Int32, addresses: [String]) {
    var text = [CChar](repeating: 1, count: room)
    let status = cr_names_find(name, &text, room)
    guard room > 0 else { return (status, []) }
    return (
      status,
      String(decoding: text.prefix { $0 != 0 }.map { UInt8($0) }, as: UTF8.self).split(separator: " ").map(String.init)
    )
  }

  @Test("are each there once")
  func once() {
    let found = find("localhost")
    #expect(found.status == 0 && found.addresses.contains("127.0.0.1"))
    #expect(Set(found.addresses).count == found.addresses.count)
    #expect(Set(found.addresses).isSubset(of: ["127.0.0.1", "::1"]))
  }

  @Test("are itself where it is an address", arguments: ["192.0.2.7", "2001:db8::7"])
  func numeric(address: String) {
    #expect(find(address).addresses == [address])
  }

  @Test("are as many as there is room for", arguments: [0, 1, 9, 10, 11])
  func room(bytes: Int) {
    let found = find("192.0.2.7", room: bytes)
    #expect(found.status == 0 && found.addresses == (bytes > 10 ? ["192.0.2.7"] : []))
  }

  @Test("are none where nobody knows it")
  func unknown() {
    let found = find(String(repeating: "x", count: 300))
    #expect(found.status < 0 && found.addresses.isEmpty)
  }
}
