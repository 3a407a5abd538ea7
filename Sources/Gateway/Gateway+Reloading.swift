import Configuration
import Federation
import Lifecycle
import Reactor
import Workers

/// A configuration that was read again (SIGHUP).
extension Gateway {
  /// Goes over to a configuration without losing a call, or changes nothing and says why not. `done` is called on the
  /// control loop; until then no other reload may begin.
  /// - Parameter done: gets what has changed, for people.
  public func reload(
    _ configuration: GatewayConfiguration, done: @escaping @Sendable (Result<[String], Failure>) -> Void
  ) {
    var configuration = configuration
    let fixed = configuration.keepFixed(of: state.configuration)
    // What was read may be fine by itself, and not with the addresses that are in use.
    let exposures = configuration.listeners.exposures(bound: exposedListeners)
    if let first = exposures.first, !configuration.allowUnauthenticated {
      state.lifecycle.reloads.count(succeeded: false)
      return done(.failure(Failure(description: "\(first.refusal); expected \(Exposure.remedy)")))
    }
    let settings = Settings(
      configuration, loops: workers.count + 1, descriptors: descriptors, childDescriptors: childDescriptors)
    let contexts: ListenerContexts
    do throws(ListenerContexts.Failure) {
      contexts = try ListenerContexts(configuration.listeners, renewing: state.lifecycle.contexts.withLock { $0 })
    } catch {
      state.lifecycle.reloads.count(succeeded: false)
      return done(.failure(Failure(description: error.description)))
    }
    federation.reload(settings) { [state, logger, handles = allWorkers] result in
      switch result {
      case .success(let changes):
        state.lifecycle.contexts.withLock { $0 = contexts }
        for handle in handles { handle.post { $0.listeners.secure(with: contexts) } }
        settings.warn(logger)
        state.lifecycle.reloads.count(succeeded: true)
        var news = [changes.text]
        if !fixed.isEmpty { news.append("\(fixed.joined(separator: ", ")) will change with a restart") }
        done(.success(news))
      case .failure(let fault):
        state.lifecycle.reloads.count(succeeded: false)
        done(.failure(Failure(description: fault.description)))
      }
    }
  }

  /// A configuration that could not even be read.
  public func reloadFailed() { state.lifecycle.reloads.count(succeeded: false) }
}
