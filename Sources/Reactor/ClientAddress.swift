import CReactor

/// The IP address of a client: 128 bits, an IPv4 address in its mapped form (`::ffff:192.0.2.1`).
public struct ClientAddress: Hashable, Sendable, BitwiseCopyable {
  /// In the order of the text, so that the first 64 are an IPv6 network.
  public let high: UInt64
  public let low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

  /// What limits count as one client: an IPv4 address, or the /64 of an IPv6 address, as whoever has one address of such a
  /// network has them all.
  public var holder: ClientAddress { isIPv4 ? self : ClientAddress(high: high, low: 0) }
}

/// The addresses that agree with one in their first bits.
public struct ClientNetwork: Sendable {
  public let first: ClientAddress
  /// Of 128.
  public let bits: UInt8

  public init(_ first: ClientAddress, bits: UInt8) {
    self.first = first
    self.bits = bits
  }

  var raw: cwire_network {
    var network = cwire_network()
    network.bits = bits
    unsafe withUnsafeMutableBytes(of: &network.address) { bytes in
      unsafe bytes.storeBytes(of: first.high.bigEndian, as: UInt64.self)
      unsafe bytes.storeBytes(of: first.low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
    return network
  }
}
