import Reactor
import Testing

@Suite("The address of a client")
struct ClientAddressTests {
  @Test("is held by itself where it is IPv4, by its /64 where it is IPv6")
  func holders() {
    let v4 = ClientAddress(high: 0, low: 0xFFFF_C000_0201)
    #expect(v4.isIPv4 && v4.holder == v4)
    let v6 = ClientAddress(high: 0x2001_0DB8_0000_0001, low: 7)
    #expect(!v6.isIPv4)
    #expect(v6.holder == ClientAddress(high: 0x2001_0DB8_0000_0001, low: 99).holder)
    #expect(v6.holder != ClientAddress(high: 0x2001_0DB8_0000_0002, low: 7).holder)
    // The mapped form alone is IPv4: `::1` is not, nor `::c000:201`.
    #expect(!ClientAddress(high: 0, low: 1).isIPv4 && !ClientAddress(high: 0, low: 0xC000_0201).isIPv4)
  }
}
