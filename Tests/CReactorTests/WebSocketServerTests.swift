import CReactor
import CWire
import Testing

@Suite("WebSocket server: handshake and messages")
struct WebSocketServerTests {
  private let gateway = MemoryGateway()

  @Test("the answer to a handshake is exactly this")
  func exactAnswer() throws {
    gateway.acceptWebSockets(protocol: "mcp", headers: "X-A: b\r\n")
    let peer = try #require(WebSocketPeer(gateway, fields: "Sec-WebSocket-Protocol: other, mcp\r\n"))
    #expect(
      peer.answer == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mcp\r\nX-A: b\r\n\r\n")
    #expect(peer.take() == [])
  }

  @Test("a message is sent back as what it was")
  func echo() throws {
    gateway.acceptWebSockets()
    gateway.echo()
    let peer = try #require(WebSocketPeer(gateway))
    for frame in [Frame.text("hällo"), .text(""), .binary([0, 255, 10]), .text(String(repeating: "x", count: 70_000))] {
      peer.send(frame)
      let answer = try #require(peer.take())
      #expect(answer.flatMap(\.payload) == frame.payload)
      #expect(answer.first?.opcode == frame.opcode)
    }
    peer.send(.close(1000, "bye"))
    #expect(peer.take() == [.close(1000)])
    #expect(peer.client.ended)
    #expect(gateway.events == ["closed 7"])
    #expect(gateway.closeCodes == [1000])
    #expect(gateway.open == 0)
  }
}
