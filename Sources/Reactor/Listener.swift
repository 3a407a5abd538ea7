import CReactor

/// Bounds of one HTTP listener; see `cr_http_limits`. Times are milliseconds.
public struct HTTPLimits: Sendable {
  public var maxHead: UInt32 = 32 << 10
  public var maxTarget: UInt32 = 8 << 10
  public var maxHeaders: UInt32 = 100
  public var maxBody: UInt64 = 16 << 20
  public var headTimeout: UInt32 = 10_000
  public var bodyTimeout: UInt32 = 30_000
  public var bodyRate: UInt32 = 512
  public var pipeline: UInt32 = 64 << 10
  public var idleTimeout: UInt32 = 75_000
  public var maxConnections: UInt32 = 10_000
  public var perAddress: UInt32 = 1000

  public init() {}

  var raw: cr_http_limits {
    var limits = cr_http_limits_default()
    limits.max_head = maxHead
    limits.max_target = maxTarget
    limits.max_headers = maxHeaders
    limits.max_body = maxBody
    limits.head_timeout = headTimeout
    limits.body_timeout = bodyTimeout
    limits.body_rate = bodyRate
    limits.pipeline = pipeline
    limits.idle_timeout = idleTimeout
    limits.max_connections = maxConnections
    limits.per_address = perAddress
    return limits
  }
}

/// Loops that share listening addresses, so that crowded ones pass connections on.
@safe
public final class ListenerGroup: @unchecked Sendable {  // joined before the loops run; atomic counts afterwards
  let raw: OpaquePointer

  public init(loops: Int) {
    guard let made = unsafe cr_group_make(UInt32(loops)) else { fatalError("no memory for a listener group") }
    unsafe raw = made
  }

  deinit { unsafe cr_group_free(raw) }

  public func join(_ loop: EventLoop) { unsafe cr_group_join(raw, loop.raw) }
}

/// A listening socket of one loop.
@safe
public struct Listener {
  let raw: OpaquePointer

  /// Why an address can't be served.
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// Makes sure that nobody else listens at an address; gives the port, chosen if 0 was asked for.
  public static func probe(host: String, port: UInt16) throws(Failure) -> UInt16 {
    var port = port
    var holder = [CChar](repeating: 0, count: 128)
    let asked = port
    let error = unsafe host.withCString { unsafe cr_listener_probe($0, &port, &holder, holder.count) }
    guard cr_failed(error) == 0 else {
      let end = holder.firstIndex(of: 0) ?? holder.endIndex
      let who = String(decoding: holder[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if !who.isEmpty { throw Failure(description: "port \(asked) on \(host) is in use by \(who)") }
      throw Failure(description: "can't listen on \(host) port \(asked): \(ReactorError(error))")
    }
    return port
  }
}

extension Listener {
  /// Its socket; -1 once it is closed.
  public var descriptor: Int32 { unsafe cr_listener_descriptor(raw) }

  /// Nobody beyond this machine can connect to it.
  public var isLocal: Bool { cr_socket_is_local(descriptor) }

  /// The port of a socket that listens already, wherever that is; nil if it does not.
  public static func port(of descriptor: Int32) -> UInt16? {
    let port = cr_socket_port(descriptor)
    return port == 0 ? nil : port
  }

  /// The port of a socket that listens at this address already; nil if it does not.
  public static func port(of descriptor: Int32, at host: String, port: UInt16) -> UInt16? {
    var port = port
    let listens = unsafe host.withCString { unsafe cr_socket_listens_at(descriptor, $0, &port) }
    return listens ? port : nil
  }
}

/// What changes while it listens; for connections to come.
extension Listener {
  public func setLimits(_ limits: HTTPLimits) {
    var limits = limits.raw
    unsafe cr_listener_set_limits(raw, &limits)
  }

  /// From these networks connections count for no client but whom they name: by a header of the PROXY protocol if they are
  /// to begin with one, and then nobody else is let in; else by fields of each request. For connections to come.
  public func setProxies(_ networks: [ClientNetwork], proxyProtocol: Bool) {
    let networks = networks.map(\.raw)
    let isDone = unsafe networks.withUnsafeBufferPointer {
      unsafe cr_listener_set_proxies(raw, $0.baseAddress, $0.count, proxyProtocol)
    }
    if !isDone { fatalError("no memory for a listener's proxies") }
  }

  /// Held: connections wait in the kernel's queue, not refused, until it is held no more.
  public func hold(_ held: Bool) { unsafe cr_listener_hold(raw, held) }

  /// New connections speak TLS; those that are open keep what they have.
  public func setTLS(_ context: TLSContext?) {
    unsafe cr_listener_set_tls(raw, context?.raw)
  }

  /// Accepts what the kernel has queued, then closes the socket.
  public func stop() { unsafe cr_listener_stop(raw) }
}

extension EventLoop {
  /// Serves HTTP/1.1 at an address; `label` says later which listener a connection came through.
  public func listen(
    host: String, port: UInt16, group: ListenerGroup?, label: UInt32, limits: HTTPLimits
  ) throws(ReactorError) -> Listener {
    var made: OpaquePointer?
    var limits = limits.raw
    let error = unsafe host.withCString {
      unsafe cr_listener_start(&made, raw, group?.raw, $0, port, label, &limits)
    }
    guard let made = unsafe made else { throw ReactorError(error) }
    return unsafe Listener(raw: made)
  }

  /// Serves with a socket that listens already; it is the listener's from then on, also on failure.
  public func listen(
    adopting descriptor: Int32, group: ListenerGroup?, label: UInt32, limits: HTTPLimits
  ) throws(ReactorError) -> Listener {
    var made: OpaquePointer?
    var limits = limits.raw
    let error = unsafe cr_listener_adopt(&made, raw, group?.raw, descriptor, label, &limits)
    guard let made = unsafe made else { throw ReactorError(error) }
    return unsafe Listener(raw: made)
  }

  /// The subject of a client's verified certificate; nil if it showed none.
  public func subject(of connection: ConnectionID) -> String? {
    let length = unsafe cr_connection_subject(raw, connection.rawValue, nil, 0)
    guard length > 0 else { return nil }
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(length) + 1) { buffer in
      _ = unsafe cr_connection_subject(raw, connection.rawValue, buffer.baseAddress, Int32(buffer.count))
      return unsafe String(cString: buffer.baseAddress!)
    }
  }
}
