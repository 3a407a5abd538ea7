import Clusters
import MCP
import Sessions
import UpstreamRequests
import Wire
import Workers

/// Questions that a human answers at a URL (2025-11-25): the server says when that is done, with or without a call under
/// way, and only to the client that was asked.
public enum Elicitations {
  /// A server's question goes to the client of a call.
  public static func note(_ envelope: Envelope, of call: Call, _ request: UpstreamRequest, now: UInt64) {
    guard envelope.method == .elicitationCreate, JSON.isString(envelope.value(Param.mode), "url"),
      let token = envelope.value(Param.elicitationID)
    else { return }
    note(token, of: call, request, now: now)
  }

  /// A call failed because a human has to go to a URL first (-32042).
  public static func noteRequired(_ envelope: Envelope, of call: Call, _ request: UpstreamRequest, now: UInt64) {
    guard envelope.errorCode == -32042, let data = envelope.value(ErrorKey.data), JSON.kind(of: data) == .object,
      let list = JSON.find("elicitations", in: data), JSON.kind(of: list) == .array
    else { return }
    var items = JSON.items(of: list)
    var room = AskedElicitations.mostOfSession
    while room > 0, let item = items.next() {
      room -= 1
      let entry = items.value(of: item)
      guard JSON.kind(of: entry) == .object, let token = JSON.find("elicitationId", in: entry) else { continue }
      note(token, of: call, request, now: now)
    }
  }

  private static func note(_ token: RawSpan, of call: Call, _ request: UpstreamRequest, now: UInt64) {
    guard let session = call.session, let conversation = request.session, token.byteCount <= 1024,
      let id = JSON.bytes(token)
    else { return }
    conversation.asked(id, session.id, now: now)
  }

  /// Whom a server means that says that a question is done; nil if that can't be told.
  public static func sessionAsked(_ envelope: Envelope, in conversation: UpstreamSession, now: UInt64) -> SessionID? {
    if let owner = conversation.owner { return owner }
    guard let token = envelope.value(Param.elicitationID), token.byteCount <= 1024, let id = JSON.bytes(token) else {
      return nil
    }
    return conversation.session(asked: id, now: now)
  }
}
