import CWire

/// Bytes in memory of exactly their size, so that the sanitizers see every read beyond them.
func withExactBytes<Result>(_ bytes: [UInt8], _ body: (cwire_span) throws -> Result) rethrows -> Result {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
  defer { memory.deallocate() }
  memory.copyMemory(from: bytes, byteCount: bytes.count)
  return try body(cwire_span_make(memory, bytes.count))
}

extension cwire_span {
  var array: [UInt8] { Array(UnsafeRawBufferPointer(start: base, count: length)) }

  /// As fixtures write bytes.
  var escaped: String { FixtureText.escape(array) }
}

/// What a run of puts leaves in a buffer of `capacity` bytes; nil if the writer refused any of it.
func written(capacity: Int = 4096, _ puts: (UnsafeMutablePointer<cwire_writer>) -> Void) -> [UInt8]? {
  withUnsafeTemporaryAllocation(byteCount: max(1, capacity), alignment: 1) { buffer in
    var writer = cwire_writer_make(buffer.baseAddress, capacity)
    puts(&writer)
    return cwire_writer_ok(&writer) ? cwire_writer_written(&writer).array : nil
  }
}
