import Clusters
import Configuration
import ConfigurationLoading
import ConfigurationSyntax
import Reactor

/// Files of listeners and upstreams that are there and can't be used: no certificate, an encrypted key, one that belongs to
/// another certificate.
public enum CertificateMistakes {
  /// Each is told where the configuration names it.
  public static func find(in loaded: LoadedConfiguration) -> [Diagnostic] {
    var mistakes: [Diagnostic] = []
    for (name, tls) in loaded.configuration.listeners.encrypted {
      let key = "listeners.\(name).tls"
      do throws(TLSContext.Failure) {
        _ = try tls.context(renewing: nil)
      } catch {
        let position = loaded.settings[key] ?? SourcePosition(file: key)
        mistakes.append(Diagnostic(.error, at: position, "`\(key)` can't be used: \(error)"))
      }
    }
    for server in loaded.configuration.servers {
      guard case .url(let remote) = server.kind, remote.endpoints[0].url.scheme.isEncrypted, remote.tls.namesFiles
      else { continue }
      do throws(TLSContext.Failure) {
        _ = try remote.tls.context()
      } catch {
        mistakes.append(Diagnostic(.error, at: server.position, "`tls` of `\(server.alias)` can't be used: \(error)"))
      }
    }
    return mistakes
  }
}
