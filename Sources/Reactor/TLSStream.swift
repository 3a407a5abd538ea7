import CReactor

/// The client's end of TLS over a connected descriptor that blocks, for commands that wait for one answer at a time.
package final class TLSStream: @unchecked Sendable {  // whoever owns the descriptor uses it from one thread at a time
  private let raw: OpaquePointer
  /// Who closes the descriptor, but not before the goodbye.
  private let owner: AnyObject

  /// Shakes hands; `owner` keeps the descriptor open.
  package init(_ context: TLSContext, descriptor: Int32, of owner: AnyObject, host: String) throws(TLSContext.Failure) {
    var message = [CChar](repeating: 0, count: 512)
    let made = unsafe host.withCString {
      unsafe cr_tls_stream_open(context.raw, descriptor, $0, &message, message.count)
    }
    guard let made = unsafe made else {
      let end = message.firstIndex(of: 0) ?? message.endIndex
      throw TLSContext.Failure(
        description: String(decoding: message[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    unsafe raw = made
    self.owner = owner
  }

  deinit { unsafe cr_tls_stream_free(raw) }

  /// Bytes read, 0 at the end that the server signed, -1 if the connection broke.
  package func read(_ buffer: inout [UInt8]) -> Int {
    unsafe buffer.withUnsafeMutableBytes { unsafe cr_tls_stream_read(raw, $0.baseAddress, $0.count) }
  }

  /// Writes all of it.
  package func write(_ bytes: ArraySlice<UInt8>) -> Bool {
    unsafe bytes.withUnsafeBytes { unsafe cr_tls_stream_write(raw, $0.baseAddress, $0.count) }
  }
}
