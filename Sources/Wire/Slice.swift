/// A range of bytes within a message, kept by offset so that it outlives the view it was found through.
/// Messages are limited to 64 MiB, so 32 bits hold any offset.
public struct Slice: Sendable, Equatable, BitwiseCopyable {
  var start: UInt32
  var size: UInt32

  public init(offset: Int, length: Int) {
    start = UInt32(truncatingIfNeeded: offset)
    size = UInt32(truncatingIfNeeded: length)
  }

  public init(_ range: Range<Int>) {
    self.init(offset: range.lowerBound, length: range.count)
  }

  public var offset: Int { Int(start) }
  public var length: Int { Int(size) }
  public var end: Int { Int(start) + Int(size) }
  public var range: Range<Int> { offset..<end }
  public var isEmpty: Bool { size == 0 }

  /// The same bytes as seen from a message in which `base` bytes come before.
  public func shifted(by base: Int) -> Slice { Slice(offset: offset + base, length: length) }
}
