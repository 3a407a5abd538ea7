import CReactor
import Synchronization
public import Wire

/// What the WebSockets of one place have in common; see `cr_websocket_settings`. Times are milliseconds.
///
/// Connections refer to it for as long as they live, so each is made once and kept.
@safe
public final class WebSocketSettings: @unchecked Sendable {  // immutable
  private static let made = Mutex<[Options: WebSocketSettings]>([:])
  /// Bytes of an incoming message, inflated.
  public let maxMessage: Int
  let raw: UnsafeMutablePointer<cr_websocket_settings>

  public struct Options: Hashable, Sendable {
    public var maxMessage = 4 << 20
    /// Bytes of the largest frame that is sent, and taken if `strictFrameSize`.
    public var maxFrame = 64 << 10
    public var strictFrameSize = false
    public var compression = true
    /// Messages above so many bytes are compressed.
    public var compressionThreshold: UInt32 = 1024
    public var pingInterval: UInt32 = 30_000
    public var pongTimeout: UInt32 = 10_000

    public init() {}
  }

  public static func make(_ options: Options) -> WebSocketSettings {
    made.withLock { made in
      if let known = made[options] { return known }
      let settings = WebSocketSettings(options)
      made[options] = settings
      return settings
    }
  }

  private init(_ options: Options) {
    maxMessage = options.maxMessage
    var settings = cr_websocket_settings_default()
    settings.max_message = UInt64(options.maxMessage)
    settings.max_frame = UInt64(options.maxFrame)
    settings.strict_frame_size = options.strictFrameSize
    settings.compression = options.compression
    settings.compression_threshold = options.compressionThreshold
    settings.ping_interval = options.pingInterval
    settings.pong_timeout = options.pongTimeout
    unsafe raw = .allocate(capacity: 1)
    unsafe raw.initialize(to: settings)
  }
}

/// One text that many connections of one loop get: encoded once.
@safe
public final class Broadcast {
  let raw: OpaquePointer

  public init(_ message: RawSpan) {
    unsafe raw = message.withUnsafeBytes { bytes in
      guard let made = unsafe cr_broadcast_make(cwire_span(bytes)) else { fatalError("no memory for a broadcast") }
      return unsafe made
    }
  }

  deinit { unsafe cr_broadcast_free(raw) }
}

/// The WebSockets of one loop, of either side.
@safe
public struct WebSockets {
  /// The loop that they live on.
  let raw: OpaquePointer

  /// Answers the request being handled with 101. False if it was no proper handshake and has been refused.
  public func accept(
    _ connection: ConnectionID, _ head: RequestHead, _ settings: WebSocketSettings, subprotocol: StaticString
  ) -> Bool {
    let name = unsafe cwire_span(base: subprotocol.utf8Start, length: subprotocol.utf8CodeUnitCount)
    let outcome = unsafe head.withUnsafeHead {
      unsafe cr_websocket_accept(raw, connection.rawValue, $0, settings.raw, name, cwire_span())
    }
    return outcome != CR_WRITE_STALE
  }

  /// Starts to connect; `websocketOpened` tells success, `upstreamClosed` failure. nil if this loop holds as many
  /// connections as it may.
  /// - Parameter headers: further header lines, each with its CRLF.
  public func connect(
    _ endpoint: Endpoint, _ settings: WebSocketSettings, target: RawSpan, authority: RawSpan,
    subprotocol: StaticString, headers: RawSpan, tag: UInt64
  ) -> ConnectionID? {
    let id = unsafe endpoint.withRaw { place in
      unsafe target.withUnsafeBytes { target in
        unsafe authority.withUnsafeBytes { authority in
          unsafe headers.withUnsafeBytes { headers in
            unsafe cr_websocket_connect(
              raw, &place, settings.raw, cwire_span(target), cwire_span(authority),
              cwire_span(base: subprotocol.utf8Start, length: subprotocol.utf8CodeUnitCount), cwire_span(headers), tag)
          }
        }
      }
    }
    return id == 0 ? nil : ConnectionID(rawValue: id)
  }

  /// Sends one message.
  @discardableResult
  public func send(_ connection: ConnectionID, _ message: RawSpan, binary: Bool = false) -> WriteOutcome {
    unsafe message.withUnsafeBytes { bytes in
      var piece = unsafe cwire_span(bytes)
      return unsafe WriteOutcome(
        cr_websocket_send(raw, connection.rawValue, binary ? CR_WEBSOCKET_BINARY : CR_WEBSOCKET_TEXT, &piece, 1))
    }
  }

  /// Sends a message that others of this loop get too. Server side only.
  @discardableResult
  public func send(_ connection: ConnectionID, _ broadcast: Broadcast) -> WriteOutcome {
    unsafe WriteOutcome(cr_websocket_send_broadcast(raw, connection.rawValue, broadcast.raw))
  }

  /// Sends a close frame. Nothing more is told about the connection.
  public func close(_ connection: ConnectionID, code: UInt16, _ reason: StaticString = "") {
    let text = unsafe cwire_span(base: reason.utf8Start, length: reason.utf8CodeUnitCount)
    unsafe cr_websocket_close(raw, connection.rawValue, UInt32(code), text)
  }

  /// The code with which the peer closed, from within `closed` or `upstreamClosed`; 1006 if it did not.
  public func closeCode(of connection: ConnectionID) -> Int {
    unsafe Int(cr_websocket_close_code(raw, connection.rawValue))
  }
}
