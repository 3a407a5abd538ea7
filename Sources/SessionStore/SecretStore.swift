import Configuration
import Logging
import MCP
import Reactor

/// Where the secret comes from that the ids of sessions are sealed with: from the configuration, from a file that it
/// names, else from `state_dir`, where it is made by the first process that needs one.
public enum SecretStore {
  /// The file that the configuration names is of no use; for people.
  public struct Failure: Error {
    public let description: String
  }

  /// - Parameters:
  ///   - directory: nil: nothing can be kept.
  ///   - port: tells its secret from those of other gateways of the same user: what one has issued is not the other's.
  public static func keys(
    _ sessions: GatewayConfiguration.Sessions, in directory: String?, port: Int, _ logger: Logger
  ) throws(Failure) -> SessionKeys {
    var secrets = sessions.secrets.map { Array($0.utf8) }
    if let path = sessions.secretFile {
      do throws(SecretFile.Fault) {
        secrets += try SecretFile.read(path)
      } catch {
        let remedy = error.expected.map { "; expected \($0)" } ?? ""
        throw Failure(description: "`sessions.secret_file`: \(error.description)\(remedy)")
      }
    }
    guard secrets.isEmpty else { return SessionKeys(secrets) }
    let consequence = "sessions end with this process, and their clients must open others"
    guard let directory else {
      logger.warning(
        "there is neither sessions.secret nor a state_dir (\(port == 0 ? "or the port is 0" : "it is off")): \(consequence)"
      )
      return .ofThisProcess()
    }
    do throws(StateFile.Fault) {
      return SessionKeys(try kept(in: StateFile("sessions-\(port).secret", in: directory), logger))
    } catch {
      logger.warning(
        "the secret of sessions can't be kept: \(error): \(consequence); expected a `state_dir` that this user alone may write to, or `sessions.secret`"
      )
      return .ofThisProcess()
    }
  }

  private enum Found {
    case secrets([[UInt8]])
    case nothing
    /// What is there is no secret, or others may know it.
    case spoilt(String)
  }

  /// What the file holds. It is made where there is none. One that is spoilt is set aside: its sessions are lost with it
  /// anyway, and with a new one those that are opened from now on outlive the process.
  private static func kept(in file: StateFile, _ logger: Logger) throws(StateFile.Fault) -> [[UInt8]] {
    if case .secrets(let secrets) = look(at: file) { return secrets }
    return try file.alone { () throws(StateFile.Fault) in
      // Another process may have been quicker.
      switch look(at: file) {
      case .secrets(let secrets): return secrets
      case .nothing: break
      case .spoilt(let why):
        let aside = try file.setAside()
        logger.warning(
          "\(why): it is set aside as \(aside), and another secret is made. Sessions that were opened under it have ended, and their clients must open others"
        )
      }
      let made = SessionSecret.random()
      try file.create(made + [0x0A])
      if case .secrets(let secrets) = look(at: file) { return secrets }
      return [made]
    }
  }

  private static func look(at file: StateFile) -> Found {
    guard file.isThere else { return .nothing }
    do throws(StateFile.Fault) {
      let text = try file.read(most: SecretFile.largest + 1, isSecret: true)
      do throws(SecretFile.Fault) {
        return .secrets(try SecretFile.secrets(in: text.bytes, of: file.path))
      } catch {
        return .spoilt(error.description)
      }
    } catch {
      return .spoilt(error.description)
    }
  }
}
