import Catalogue
import MCP
import Reactor
import SessionStore
import Sessions
import Wire

/// A notification for all who know the resource by the same name: written once.
final class ResourceNotifications {
  private let update: ResourceUpdate
  private let sessions: SessionTable
  private let messages: SessionMessages
  private var announcements: [(name: [UInt8], revision: Revision, Announcement?)] = []

  init(_ update: ResourceUpdate, _ sessions: SessionTable, _ messages: SessionMessages) {
    self.update = update
    self.sessions = sessions
    self.messages = messages
  }

  /// nil if a client of that revision is not told.
  func announcement(named name: [UInt8], for revision: Revision) -> Announcement? {
    if let known = announcements.first(where: { $0.revision == revision && $0.name == name }) { return known.2 }
    var message = ByteBuffer(capacity: update.message.count + 64)
    let isTold = update.append(to: &message, named: name, client: revision)
    let made = isTold ? Announcement(message.bytes.array, isKnown: update.isKnown) : nil
    announcements.append((name, revision, made))
    return made
  }

  /// Tells a session under the name by which it knows the resource, if it is still there.
  func tell(_ id: SessionID, name: (CatalogueView) -> [UInt8]?) {
    guard let session = sessions.find(id), let name = name(session.view) else { return }
    announcement(named: name, for: session.revision)?.tell(session, through: messages)
  }

  func finish() {
    for (_, _, announcement) in announcements { announcement?.finish(through: messages) }
  }
}

/// The notification for listens that know the resource by the same name: an event written once, but for the id of each
/// listen.
struct ListenNotification {
  private let event: [UInt8]
  /// Where the JSON message lies in the event, and in it the id of the listen.
  private let message: Range<Int>
  private let id: Range<Int>

  /// nil if listens are not told.
  init?(_ update: ResourceUpdate, named name: [UInt8]) {
    var message = ByteBuffer(capacity: update.message.count + 128)
    guard update.append(to: &message, named: name, client: .newest, subscriptionID: ("0" as StaticString).bytes)
    else { return nil }
    let scanner = EnvelopeScanner()
    guard let place = scanner.scan(message.bytes).member(MetaKey.subscriptionID)?.value else { return nil }
    var event = ByteBuffer(capacity: message.count + 32)
    event.append(event: message.bytes)
    self.event = event.bytes.array
    // An event is its field names, the message and two line ends.
    let start = event.count - message.count - 2
    self.message = start..<(start + message.count)
    id = (start + place.offset)..<(start + place.end)
  }

  /// Writes it as an event of a listen's own stream.
  func write(_ subscriptionID: RawSpan, to connection: ConnectionID, through answers: HTTPAnswers) -> WriteOutcome {
    let bytes = event.rawBytes
    return answers.write(
      bytes.extracting(0..<id.lowerBound), subscriptionID, bytes.extracting(id.upperBound..<bytes.byteCount),
      to: connection, atOnce: true)
  }

  /// Appends the message alone.
  func append(_ subscriptionID: RawSpan, to buffer: inout ByteBuffer) {
    let bytes = event.rawBytes
    buffer.append(bytes.extracting(message.lowerBound..<id.lowerBound))
    buffer.append(subscriptionID)
    buffer.append(bytes.extracting(id.upperBound..<message.upperBound))
  }
}
