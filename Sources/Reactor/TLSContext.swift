import CReactor

/// Trust and identity of connections over TLS, shared by all loops.
@safe
public final class TLSContext: @unchecked Sendable {  // OpenSSL counts its references atomically
  let raw: OpaquePointer

  /// Why a context could not be made.
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// For client connections.
  /// - Parameters: paths of PEM files; without `ca`, the system's roots.
  public init(ca: String?, certificate: String?, key: String?, verify: Bool) throws(Failure) {
    unsafe raw = try Self.make { message, capacity in
      unsafe Self.withOptionalCString(ca) { ca in
        unsafe Self.withOptionalCString(certificate) { certificate in
          unsafe Self.withOptionalCString(key) { key in
            var options = unsafe cr_tls_client_options(
              ca_file: ca, cert_file: certificate, key_file: key, verify: verify)
            return unsafe cr_tls_client_make(&options, message, capacity)
          }
        }
      }
    }
  }

  /// What a listener asks of its clients.
  public enum ClientAuthentication: Sendable {
    case off, optional, required

    fileprivate var raw: cr_tls_client_auth {
      switch self {
      case .off: CR_TLS_CLIENT_OFF
      case .optional: CR_TLS_CLIENT_OPTIONAL
      case .required: CR_TLS_CLIENT_REQUIRED
      }
    }
  }

  /// For listeners.
  /// - Parameters:
  ///   - identities: paths of PEM files; the first serves names that no other covers.
  ///   - clientCA: the roots of client certificates, unless `clientAuthentication` is off.
  ///   - old: the context that this one takes the place of, whose tickets stay good.
  public init(
    identities: [(certificate: String, key: String)], clientCA: String?, clientAuthentication: ClientAuthentication,
    renewing old: TLSContext?
  ) throws(Failure) {
    unsafe raw = try Self.make { message, capacity in
      unsafe Self.withCStrings(identities.flatMap { [$0.certificate, $0.key] }) { files in
        let pairs = unsafe stride(from: 0, to: files.count, by: 2).map {
          unsafe cr_tls_identity(cert_file: files[$0], key_file: files[$0 + 1])
        }
        return unsafe pairs.withUnsafeBufferPointer { pairs in
          unsafe Self.withOptionalCString(clientCA) { clientCA in
            var options = unsafe cr_tls_server_options(
              identities: pairs.baseAddress, identity_count: UInt32(pairs.count), client_ca_file: clientCA,
              client_auth: clientAuthentication.raw, renews: old?.raw)
            return unsafe cr_tls_server_make(&options, message, capacity)
          }
        }
      }
    }
  }

  private static func make(
    _ body: (UnsafeMutablePointer<CChar>, Int) -> OpaquePointer?
  ) throws(Failure) -> OpaquePointer {
    var message = [CChar](repeating: 0, count: 512)
    let made = unsafe message.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress!, $0.count) }
    if let made = unsafe made { return unsafe made }
    let end = message.firstIndex(of: 0) ?? message.endIndex
    throw Failure(description: String(decoding: message[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  deinit { unsafe cr_tls_context_free(raw) }

  private static func withOptionalCString<Result>(
    _ text: String?, _ body: (UnsafePointer<CChar>?) -> Result
  ) -> Result {
    guard let text else { return body(nil) }
    return unsafe text.withCString { unsafe body($0) }
  }

  private static func withCStrings<Result>(_ texts: [String], _ body: ([UnsafePointer<CChar>]) -> Result) -> Result {
    var offsets: [Int] = []
    var bytes: [CChar] = []
    for text in texts {
      offsets.append(bytes.count)
      bytes += text.utf8CString
    }
    return unsafe bytes.withUnsafeBufferPointer { buffer in
      unsafe body(offsets.map { unsafe buffer.baseAddress! + $0 })
    }
  }
}
