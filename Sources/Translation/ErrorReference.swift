import MCP

/// Every error in words, of which the documents' page and `sluice explain` are made.
public enum ErrorReference {
  /// The kind of which `data.reason` says this.
  public static func kind(of reason: String) -> GatewayError.Kind? {
    GatewayError.Kind.allCases.first { $0.reason == reason }
  }

  public static var reasons: [String] { GatewayError.Kind.allCases.map(\.reason) }

  /// One error for a terminal.
  public static func explanation(of kind: GatewayError.Kind) -> String {
    """
    \(kind.reason): \(GatewayError(kind).phrase)

    \(kind.meaning.meaning)
    What to do: \(kind.meaning.remedy)

    Clients of 2026-07-28 see \(kind.numbers(.modern)), earlier ones \(kind.numbers(.legacy))\(kind.closing).

    """
  }

  /// All of them, as `Errors.md` of the documents.
  public static var page: String {
    var page = introduction
    for subject in ErrorMeaning.Subject.allCases {
      page += "\n## \(subject.title)\n\n\(head)\n"
      for kind in GatewayError.Kind.allCases where kind.meaning.subject == subject { page += kind.line + "\n" }
    }
    return page
  }

  private static let introduction = """
    # Errors

    Every error that the gateway itself answers with: what it looks like, what it means and what to do.

    An error is a JSON-RPC error whose `data` has `reason`, a word that does not change, and where they are known `server`, the
    alias of the server that it is about, and `retry_after_ms`, after which the same may be tried again. What a server answers
    with by itself goes to the client as it is.

    The columns have the HTTP status and the JSON-RPC code, for clients of revisions up to 2025-11-25 and for those of
    2026-07-28, and the code with which a WebSocket is closed; where there is none the error is a message on it. A 503 with
    `retry_after_ms` has `Retry-After` too. `sluice explain REASON` prints the same of one error; <doc:Troubleshooting> goes by
    what is seen in the log.

    <!-- Made from Sources/Translation by `sluice explain --all`; a test compares it. -->

    """

  private static let head = """
    | `reason` | to 2025-11-25 | 2026-07-28 | close | meaning | remedy |
    |---|---|---|---|---|---|
    """
}

extension ErrorMeaning.Subject {
  fileprivate var title: String {
    switch self {
    case .message: "The message"
    case .request: "The HTTP request"
    case .session: "The session"
    case .call: "The call"
    case .server: "The server"
    case .gateway: "The gateway"
    }
  }
}

extension GatewayError.Kind {
  /// What `data.reason` says.
  fileprivate var reason: String { "\(GatewayError(self).answer(to: .modern).label)" }

  fileprivate func numbers(_ era: Era) -> String {
    let answer = GatewayError(self).answer(to: era)
    return "\(answer.status), \(answer.code)"
  }

  fileprivate var closing: String {
    GatewayError(self).closeCode.map { "; a WebSocket is closed with \($0)" } ?? ""
  }

  fileprivate var line: String {
    let close = GatewayError(self).closeCode.map(String.init) ?? ""
    let cells = ["`\(reason)`", numbers(.legacy), numbers(.modern), close, meaning.meaning, meaning.remedy]
    return "| \(cells.joined(separator: " | ")) |"
  }
}
