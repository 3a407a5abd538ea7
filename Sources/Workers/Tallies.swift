import Synchronization

/// Something that is counted on every loop, by what the metrics page says of it. To count one thing more takes a case here,
/// and `Tallies.count` where it happens.
public enum Tally: Int, CaseIterable, Sendable {
  // Bytes of messages, as they were before compression, TLS and the frames of their transport.
  case sentStreamableHTTP
  case sentEventStream
  case sentWebSocket

  /// Of the metric. Those that share it stand together.
  public var metric: String {
    switch self {
    case .sentStreamableHTTP, .sentEventStream, .sentWebSocket: "sluice_sent_bytes_total"
    }
  }

  /// One sentence.
  public var help: String {
    switch self {
    case .sentStreamableHTTP, .sentEventStream, .sentWebSocket:
      "Bytes of messages for clients, before compression and framing, by how the client speaks."
    }
  }

  /// Tells it from others of the same metric: a label and its value.
  public var label: (name: String, value: String) {
    switch self {
    case .sentStreamableHTTP: ("transport", "streamable_http")
    case .sentEventStream: ("transport", "http_sse")
    case .sentWebSocket: ("transport", "websocket")
    }
  }
}

/// What one loop has counted: words that its thread alone writes and any may read. To count is two moves to memory that no
/// other loop touches.
public final class Tallies: Sendable {
  private let words = InlineArray<8, Atomic<UInt64>> { _ in Atomic(0) }

  @inline(__always)
  public func count(_ tally: Tally, _ amount: Int = 1) {
    let sum = words[tally.rawValue].load(ordering: .relaxed) &+ UInt64(truncatingIfNeeded: amount)
    words[tally.rawValue].store(sum, ordering: .relaxed)
  }

  subscript(_ tally: Tally) -> UInt64 { words[tally.rawValue].load(ordering: .relaxed) }
}
