import Wire

/// Puts commas between members.
struct MemberWriter {
  private var isFirst = true

  mutating func next(_ buffer: inout ByteBuffer, _ member: StaticString) {
    separate(&buffer)
    buffer.append(member)
  }

  mutating func separate(_ buffer: inout ByteBuffer) {
    if !isFirst { buffer.append(byte: 0x2C) }
    isFirst = false
  }
}
