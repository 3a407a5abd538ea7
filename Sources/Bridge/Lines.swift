#if canImport(Glibc)
  import Glibc
#endif

/// Lines toward the client.
struct LineWriter {
  private let descriptor: Int32
  /// Whether the client still reads.
  private(set) var isOpen = true

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// Writes one message as one line, however long the client takes to read it: there is nothing to do for it meanwhile. A
  /// line break in JSON can only stand between its tokens, where a blank does as well.
  mutating func write(_ message: [UInt8]) {
    var line = message
    for index in line.indices where line[index] == 0x0A || line[index] == 0x0D { line[index] = 0x20 }
    line.append(0x0A)
    var rest = line[...]
    while isOpen, !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count <= 0 {
        isOpen = false
      } else {
        rest = rest.dropFirst(count)
      }
    }
  }
}

/// Lines from the client, of any length. Blocks.
public struct LineReader {
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  /// Bytes of `buffer` that belong to lines already given out.
  private var start = 0

  public init(descriptor: Int32) { self.descriptor = descriptor }

  /// The next line without its end; a last one without an end counts. nil at the end of the input.
  public mutating func next() -> [UInt8]? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0A) {
        defer { start = end + 1 }
        return Array(buffer[start..<end])
      }
      buffer.removeFirst(start)
      start = 0
      searched = buffer.count
      var chunk = [UInt8](repeating: 0, count: 64 << 10)
      let count = unsafe read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 {
        defer { buffer = [] }
        return buffer.isEmpty ? nil : buffer
      }
      buffer += chunk[..<count]
    }
  }
}
