import Wire

/// Puts commas between members.
public struct MemberWriter {
  private var isFirst = true

  public mutating func next(_ buffer: inout ByteBuffer, _ member: StaticString) {
    separate(&buffer)
    buffer.append(member)
  }
  public init() {}

  public mutating func separate(_ buffer: inout ByteBuffer) {
    if !isFirst { buffer.append(byte: 0x2C) }
    isFirst = false
  }
}
