/// What the two processes of a takeover say to each other: a message each, as text.
///
///     new: sluice takeover 2
///     old: sluice takeover 2 sockets      (and a line with its listener for each descriptor)
///     old: serving                        (and a line with its alias for each server that answers)
///     new: waiting                        (every second, until it could serve)
///     new: ready
///     old: go                             (and a descriptor: what it knows of sessions comes there)
///     new: serving
///     old: done
///
/// The old one may also say `sluice takeover 2 busy`, with the id of the process that is at it and for how many seconds, a
/// line each; `sluice takeover 2 ending`, after which it says nothing more and ends; `sluice takeover 2 only` to another version; and `given up`, with a line that says why. In version 1 the new
/// one says nothing before it serves, which is `ready`, and is told nothing: neither `go`, `done` nor `given up`. There are
/// such processes that do not say which servers answer.
enum TakeoverWord: Equatable {
  case hello(Int)
  case only(Int)
  case sockets(Int, [String])
  case busy(Int, process: Int32, seconds: UInt64)
  case ending(Int)
  /// Of the old one: the servers that answer there. Of the new one, without any: it serves.
  case serving([String])
  case waiting
  case ready
  case go
  case done
  case givenUp(String)

  var text: String {
    switch self {
    case .hello(let version): "\(Self.mark)\(version)"
    case .only(let version): "\(Self.mark)\(version) only"
    case .sockets(let version, let listeners): Self.lines("\(Self.mark)\(version) sockets", listeners)
    case .busy(let version, let process, let seconds):
      Self.lines("\(Self.mark)\(version) busy", ["\(process)", "\(seconds)"])
    case .ending(let version): "\(Self.mark)\(version) ending"
    case .serving(let servers): Self.lines("serving", servers)
    case .waiting: "waiting"
    case .ready: "ready"
    case .go: "go"
    case .done: "done"
    case .givenUp(let why): Self.lines("given up", [why])
    }
  }

  /// Nil for what is none.
  init?(_ text: String) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let first = lines.removeFirst()
    switch (first, lines.count) {
    case ("serving", _): self = .serving(lines)
    case ("waiting", 0): self = .waiting
    case ("ready", 0): self = .ready
    case ("go", 0): self = .go
    case ("done", 0): self = .done
    case ("given up", 1): self = .givenUp(lines[0])
    default:
      guard first.hasPrefix(Self.mark) else { return nil }
      let parts = first.dropFirst(Self.mark.count).split(separator: " ", omittingEmptySubsequences: false)
      guard let digits = parts.first, let version = Int(digits), parts.count <= 2 else { return nil }
      switch (parts.dropFirst().first, lines.count) {
      case (nil, 0): self = .hello(version)
      case ("only", 0): self = .only(version)
      case ("ending", 0): self = .ending(version)
      case ("sockets", _): self = .sockets(version, lines)
      case ("busy", 2):
        guard let process = Int32(lines[0]), let seconds = UInt64(lines[1]) else { return nil }
        self = .busy(version, process: process, seconds: seconds)
      default: return nil
      }
    }
  }

  private static let mark = "sluice takeover "

  private static func lines(_ first: String, _ rest: [String]) -> String {
    ([first] + rest).joined(separator: "\n")
  }
}
