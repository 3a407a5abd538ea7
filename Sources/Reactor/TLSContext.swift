import CReactor

/// Trust and identity of client connections over TLS, shared by all loops.
package final class TLSContext: @unchecked Sendable {  // OpenSSL counts its references atomically
  let raw: OpaquePointer

  /// Why a context could not be made.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// - Parameters: paths of PEM files; without `ca`, the system's roots.
  package init(ca: String?, certificate: String?, key: String?, verify: Bool) throws(Failure) {
    var message = [CChar](repeating: 0, count: 512)
    let made: OpaquePointer? = unsafe Self.withOptionalCString(ca) { ca in
      unsafe Self.withOptionalCString(certificate) { certificate in
        unsafe Self.withOptionalCString(key) { key in
          var options = unsafe cr_tls_client_options(ca_file: ca, cert_file: certificate, key_file: key, verify: verify)
          return unsafe cr_tls_client_make(&options, &message, message.count)
        }
      }
    }
    guard let made = unsafe made else {
      let end = message.firstIndex(of: 0) ?? message.endIndex
      throw Failure(description: String(decoding: message[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    unsafe raw = made
  }

  deinit { unsafe cr_tls_context_free(raw) }

  private static func withOptionalCString<Result>(
    _ text: String?, _ body: (UnsafePointer<CChar>?) -> Result
  ) -> Result {
    guard let text else { return unsafe body(nil) }
    return unsafe text.withCString { unsafe body($0) }
  }
}
