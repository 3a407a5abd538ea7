/// A range of bytes within a message, kept by offset so that it outlives the view it was found through.
/// Messages are limited to 64 MiB, so 32 bits hold any offset.
@usableFromInline
package struct Slice: Sendable, Equatable, BitwiseCopyable {
  @usableFromInline var start: UInt32
  @usableFromInline var size: UInt32

  @inlinable
  package init(offset: Int, length: Int) {
    start = UInt32(truncatingIfNeeded: offset)
    size = UInt32(truncatingIfNeeded: length)
  }

  @inlinable
  package init(_ range: Range<Int>) {
    self.init(offset: range.lowerBound, length: range.count)
  }

  @inlinable package var offset: Int { Int(start) }
  @inlinable package var length: Int { Int(size) }
  @inlinable package var end: Int { Int(start) + Int(size) }
  @inlinable package var range: Range<Int> { offset..<end }
  @inlinable package var isEmpty: Bool { size == 0 }

  /// The same bytes as seen from a message in which `base` bytes come before.
  @inlinable
  package func shifted(by base: Int) -> Slice { Slice(offset: offset + base, length: length) }
}
