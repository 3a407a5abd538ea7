import MCP
import Wire

/// What the `ask` tool asks the user, and what becomes of the answer.
struct Question {
  /// Its name among the input requests of an unfinished result.
  static let name: StaticString = "who"
  /// Milliseconds for which an answer is taken.
  static let patience: UInt64 = 10 * 60 * 1000

  private let text: String

  init(_ arguments: borrowing Arguments) throws(Arguments.Fault) {
    text = try arguments.string("question") ?? "Who are you, and what do you like to drink?"
  }

  private static let schema: StaticString = #"""
    {"type":"object","properties":{\#
    "name":{"type":"string","title":"Name","description":"What to call you."},\#
    "drink":{"type":"string","title":"Drink","enum":["coffee","tea","water"]}},"required":["name"]}
    """#

  private func append(paramsTo message: inout ByteBuffer, for revision: Revision) {
    // Revision 2025-06-18 knows forms only, and no word for them.
    message.append(revision.hasURLElicitation ? "{\"mode\":\"form\",\"message\":" : "{\"message\":")
    message.append(quoted: text)
    message.append(",\"requestedSchema\":")
    message.append(Self.schema)
    message.append("}")
  }

  // MARK: Asking

  /// A request to a legacy client, under the id of the call: there is one question per call.
  func request(_ call: Call) -> [UInt8] {
    var message = call.opened(",\"method\":\"elicitation/create\",\"params\":")
    append(paramsTo: &message, for: call.revision)
    message.append("}")
    return message.bytes.array
  }

  /// The unfinished result with which a modern client comes back.
  func inputRequired(_ call: Call, _ key: SipHash) -> [UInt8] {
    var message = call.opened(",\"result\":{\"resultType\":\"input_required\",\"inputRequests\":{\"")
    message.append(Self.name)
    message.append("\":{\"method\":\"elicitation/create\",\"params\":")
    append(paramsTo: &message, for: call.revision)
    message.append("}},\"requestState\":\"")
    append(stateTo: &message, expiry: call.now.milliseconds + Self.patience, key)
    message.append("\"}}")
    return message.bytes.array
  }

  static func cannotAsk(_ call: Call) -> [UInt8] {
    guard call.revision.era == .modern else {
      return call.failure("This client did not declare the elicitation capability, so its user cannot be asked.")
    }
    return call.error(
      -32021, "The client did not declare the elicitation capability, which this tool needs",
      data: #"{"requiredCapabilities":{"elicitation":{"form":{}}}}"#)
  }

  // MARK: The answer

  /// What the tool makes of an ElicitResult.
  static func conclude(_ call: Call, answer: RawSpan?) -> [UInt8] {
    guard let answer, let action = JSON.find("action", in: answer) else {
      return call.failure("The client's answer has no action.")
    }
    if JSON.isString(action, "decline") { return call.text("You prefer not to say. That is fine.") }
    if JSON.isString(action, "cancel") { return call.text("You closed the question without an answer.") }
    guard JSON.isString(action, "accept"), let content = JSON.find("content", in: answer) else {
      return call.failure("The client's answer is neither accept with content, nor decline, nor cancel.")
    }
    guard let name = JSON.text(JSON.find("name", in: content)) else {
      return call.failure("The client's answer has no name, which the form requires.")
    }
    guard let drink = JSON.text(JSON.find("drink", in: content)) else {
      return call.text("Hello, \(name)!")
    }
    return call.text("Hello, \(name)! Here is your \(drink).")
  }

  // MARK: The state

  /// The state of an unfinished call: when it ends, and a MAC over that and what the call is about, so that nobody makes
  /// one up, keeps one for ever, or takes one to another question. Nothing is kept here meanwhile.
  private func append(stateTo message: inout ByteBuffer, expiry: UInt64, _ key: SipHash) {
    var raw = ByteBuffer(capacity: 24)
    raw.append(bigEndian: expiry)
    let mac = seal(expiry, key)
    raw.append(mac.rawBytes)
    message.append(base64: raw.bytes, .url)
  }

  private func seal(_ expiry: UInt64, _ key: SipHash) -> InlineArray<16, UInt8> {
    var sealed = ByteBuffer(capacity: text.utf8.count + 24)
    sealed.append("tools/call ask ")
    sealed.append(bigEndian: expiry)
    sealed.append(text)
    return key.hash128(sealed.bytes)
  }

  /// Whether a state that a client brings is one that was given for this question and is still good.
  func isOwn(_ state: RawSpan, _ key: SipHash, now: Timestamp) -> Bool {
    guard let contents = JSON.contents(of: state), contents.byteCount <= 64 else { return false }
    var raw = InlineArray<24, UInt8>(repeating: 0)
    var room = raw.mutableSpan
    guard Base64.decode(contents, .url, filling: &room) else { return false }
    let bytes = raw.rawBytes
    var expiry: UInt64 = 0
    for index in 0..<8 { expiry = expiry << 8 | UInt64(bytes[byte: index]) }
    let mac = seal(expiry, key)
    return mac.rawBytes.equalsInConstantTime(bytes.extracting(8..<24)) && now.milliseconds < expiry
  }
}

extension ByteBuffer {
  fileprivate mutating func append(bigEndian value: UInt64) {
    for shift in stride(from: 56, through: 0, by: -8) { append(byte: UInt8(truncatingIfNeeded: value >> shift)) }
  }
}
