import CReactor

/// What the log lacks of what a child said beside its messages.
public struct ChatterLoss: Sendable, Equatable {
  /// Lines that came faster than the child may write, and their bytes.
  public var lines: UInt64
  public var bytes: UInt64
  /// Bytes behind the limit of a line, whose beginning the log has unless it is among `lines`.
  public var cut: UInt64

  public init(lines: UInt64, bytes: UInt64, cut: UInt64) { (self.lines, self.bytes, self.cut) = (lines, bytes, cut) }

  init(_ loss: cr_chatter_loss) { self.init(lines: loss.lines, bytes: loss.bytes, cut: loss.cut) }
}

extension ChatterLoss: CustomStringConvertible {
  /// For the log of operators, by the names of the limits that did it.
  public var description: String {
    var parts: [String] = []
    if lines > 0 {
      parts.append(
        "\(lines) lines (\(bytes) bytes) of its stderr, or of what is no message on its stdout, were left out, as they came "
          + "faster than limits.stderr_rate")
    }
    if cut > 0 { parts.append("\(cut) bytes of its stderr were cut off, beyond limits.stderr_line of a line") }
    return parts.joined(separator: "; ")
  }
}

/// Clients that a loop sent away for the good of others, since it was made.
public struct LoopLosses: Sendable, Equatable {
  /// Connections that were ended to make room, and the bytes that were buffered for them.
  public var relieved: UInt64 = 0
  public var relievedBytes: UInt64 = 0
  /// Bytes that the loop had for all its peers when room was last made.
  public var relievedFrom: UInt64 = 0
  /// Connections closed for what they asked of TLS beside their data.
  public var restless: UInt64 = 0

  public init() {}

  init(_ losses: cr_loop_losses) {
    relieved = losses.relieved
    relievedBytes = losses.relieved_bytes
    relievedFrom = losses.relieved_from
    restless = losses.restless
  }
}
