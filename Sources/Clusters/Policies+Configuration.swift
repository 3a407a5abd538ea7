import Configuration
import Upstream
import UpstreamHealth
import Workers

extension BreakerPolicy {
  /// What `routing` says of it.
  init(_ routing: GatewayConfiguration.Routing) {
    let breaker = routing.breaker
    self.init(
      threshold: UInt32(clamping: routing.failoverThreshold), failureRate: UInt32(clamping: breaker.failureRate),
      window: breaker.window.milliseconds, minimumCalls: UInt32(clamping: breaker.minimumCalls),
      openTime: breaker.openTime.milliseconds, longestOpenTime: breaker.openTimeMaximum.milliseconds,
      restartGrace: routing.restartGrace.milliseconds)
  }
}

extension HealthPolicy {
  /// What `routing` says of it.
  public init(_ routing: GatewayConfiguration.Routing) {
    let interval = routing.healthCheckInterval.milliseconds
    self.init(
      interval: interval, timeout: min(interval, routing.healthCheckTimeout.milliseconds),
      restartGrace: routing.restartGrace.milliseconds)
  }
}

extension OutlierPolicy {
  /// What `routing` says of it.
  public init(_ routing: GatewayConfiguration.Routing) {
    let outliers = routing.outliers
    self.init(
      mostEjected: outliers.maximumEjected, ejectionTime: outliers.ejectionTime.milliseconds,
      longestEjection: outliers.ejectionTimeMaximum.milliseconds, slowStart: outliers.slowStart.milliseconds,
      threshold: UInt32(clamping: routing.failoverThreshold))
  }
}

extension RetryPolicy {
  /// What `routing` says of it.
  init(_ routing: GatewayConfiguration.Routing) {
    let retry = routing.retry
    self.init(
      attempts: UInt8(clamping: retry.attempts), budget: UInt32(clamping: retry.budget),
      backoff: retry.backoff.milliseconds, longestBackoff: retry.backoffMaximum.milliseconds,
      hedgesReads: retry.hedgeReads)
  }
}

extension PoolBounds {
  /// What `pool` says of it.
  init(_ configured: GatewayConfiguration.Pool) {
    self.init()
    size = configured.size
    overflow = configured.overflow
    strategy =
      switch configured.strategy {
      case .fifo: .fifo
      case .lifo: .lifo
      }
    checkoutTimeout = configured.checkoutTimeout.milliseconds
    idleTimeout = configured.idleTimeout.milliseconds
    maxAge = configured.maximumAge?.milliseconds ?? .max
    minIdle = configured.minimumIdle
  }
}
