import ConfigurationSyntax
import Reactor
import Wire

/// One GET whose answer's status is all that is asked for, as of commands that look after a gateway.
public final class HTTPProbe: HTTPClientHandler {
  private let loop: EventLoop
  /// The first thing that came of it.
  private var outcome: Result<Int, Loss>?

  private init() throws(ReactorError) {
    loop = try EventLoop(EventLoop.Options())
    loop.hand(to: self)
  }

  /// - Parameters:
  ///   - trust: what an https server is checked against; nil for http.
  ///   - milliseconds: from the first attempt to connect to the head of the answer.
  public static func status(of url: EndpointURL, trust: TLSContext?, within milliseconds: UInt32) throws(Loss) -> Int {
    let probe: HTTPProbe
    do throws(ReactorError) {
      probe = try HTTPProbe()
    } catch {
      throw Loss(.broken, error.description)
    }
    return try probe.ask(url, trust, milliseconds)
  }

  private func ask(_ url: EndpointURL, _ trust: TLSContext?, _ milliseconds: UInt32) throws(Loss) -> Int {
    let endpoint = Endpoint(
      host: url.host, port: UInt16(clamping: url.port), tls: trust, connectTimeout: milliseconds)
    var request = ByteBuffer()
    request.append(requestLine: "GET", target: Array(url.target.utf8).rawBytes)
    request.append(header: .host, Array(url.authority.utf8).rawBytes)
    request.append(header: .accept, "*/*")
    request.append(header: .connection, "close")
    request.appendHeadEnd()
    guard let connection = loop.connect(endpoint, tag: 0) else { throw Loss(.broken, "there are too many connections") }
    loop.send(connection, request.bytes)
    loop.startTimer(milliseconds: UInt64(milliseconds), token: 1)
    loop.run()
    loop.abort(connection)
    return try (outcome ?? .failure(Loss(.broken, "it did not answer in time"))).get()
  }

  private func end(_ outcome: Result<Int, Loss>) {
    if self.outcome == nil { self.outcome = outcome }
    loop.handle.stop()
  }

  public func response(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) { end(.success(head.status)) }

  public func responseBody(
    _ connection: ConnectionID, tag: UInt64, _ piece: RawSpan, last: Bool, reusable: Bool
  ) {}

  public func upstreamClosed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError, sent: Bool) {
    end(.failure(Loss(error, sent: sent)))
  }

  public func timer(_ token: UInt64) { loop.handle.stop() }
}
