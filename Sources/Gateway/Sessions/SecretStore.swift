import Configuration
import Logging
import MCP
import Reactor

/// Where the secret comes from that the ids of sessions are sealed with: from the configuration, from a file that it
/// names, else from `state_dir`, where it is made by the first process that needs one.
enum SecretStore {
  private static let most = 1 << 16

  /// - Parameters:
  ///   - directory: nil: nothing can be kept.
  ///   - port: tells its secret from those of other gateways of the same user: what one has issued is not the other's.
  static func keys(
    _ sessions: GatewayConfiguration.Sessions, in directory: String?, port: Int, _ logger: Logger
  ) throws(Gateway.Failure) -> SessionKeys {
    var secrets = sessions.secrets.map { Array($0.utf8) }
    if let path = sessions.secretFile { secrets += try named(path) }
    guard secrets.isEmpty else { return SessionKeys(secrets) }
    let consequence = "sessions end with this process, and their clients must open others"
    guard let directory else {
      logger.warning(
        "there is neither sessions.secret nor a state_dir (\(port == 0 ? "or the port is 0" : "it is off")): \(consequence)"
      )
      return .ofThisProcess()
    }
    do throws(StateFile.Fault) {
      let file = StateFile("sessions-\(port).secret", in: directory)
      var text = try file.read(most: most, isSecret: true)
      if text.isEmpty {
        try file.create(SessionSecret.random() + [0x0A])
        // That of another process, if that was quicker.
        text = try file.read(most: most, isSecret: true)
      }
      if let kept = SessionSecret.lines(text), !kept.isEmpty { return SessionKeys(kept) }
      logger.warning("\(file.path) holds no secret, of at least \(SessionSecret.shortest) characters: \(consequence)")
    } catch {
      logger.warning("the secret of sessions can't be kept: \(error): \(consequence)")
    }
    return .ofThisProcess()
  }

  private static func named(_ path: String) throws(Gateway.Failure) -> [[UInt8]] {
    let text: [UInt8]
    do throws(ConfigurationFiles.FileFault) {
      text = try ConfigurationFiles.system.read(path)
    } catch {
      throw Gateway.Failure(description: "sessions.secret_file: \(path): \(error.reason)")
    }
    guard let secrets = SessionSecret.lines(text), !secrets.isEmpty else {
      throw Gateway.Failure(
        description:
          "sessions.secret_file: \(path) holds no secret; expected lines of at least \(SessionSecret.shortest) characters"
      )
    }
    return secrets
  }
}
