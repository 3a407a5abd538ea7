import MCP

/// What an error means to whoever meets it, and what can be done about it. With its status and code
/// (`ErrorMapping.swift`) this is all that the documents and `sluice explain` say of it. A kind without a meaning does not
/// compile.
public struct ErrorMeaning: Sendable {
  /// What an error is about, in the order in which a message meets it.
  public enum Subject: String, CaseIterable, Sendable {
    case message, request, session, call, server, gateway
  }

  public let subject: Subject
  public let meaning: String
  /// In one or two sentences to the client's author or to the operator, whoever can do something.
  public let remedy: String

  fileprivate init(_ subject: Subject, _ meaning: String, remedy: String) {
    self.subject = subject
    self.meaning = meaning
    self.remedy = remedy
  }
}

extension GatewayError.Kind {
  public var meaning: ErrorMeaning {
    switch self {
    case .parseError:
      ErrorMeaning(
        .message, "The body is no JSON, or nested deeper than `limits.depth`.",
        remedy: "Send one JSON-RPC message in UTF-8; the error's message says what is wrong with it.")
    case .invalidRequest:
      ErrorMeaning(
        .message, "The body is JSON, but no JSON-RPC 2.0 message, or has a member twice that decides something.",
        remedy: "Send `jsonrpc`, `id` and `method` once each; the error's message says what is wrong.")
    case .batchNotAllowed:
      ErrorMeaning(
        .message, "An array of messages, in a revision that has none.",
        remedy: "Send each message by itself, or open the session with 2025-03-26.")
    case .responseNotAllowed:
      ErrorMeaning(
        .message, "A response came from a client of 2026-07-28, whose servers ask nothing in that way.",
        remedy: "Answer a question of the server's with the next request (`inputResponses`).")
    case .headerMismatch:
      ErrorMeaning(
        .message,
        "A header that mirrors the body (`MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`) is "
          + "missing or says something else.",
        remedy: "Write the headers from the body that is sent. A proxy in between may have changed one of the two.")
    case .missingEnvelope:
      ErrorMeaning(
        .message, "A request of 2026-07-28 without protocol version or client capabilities in `_meta`.",
        remedy: "Send both with each request, or open a session with `initialize`.")
    case .unsupportedVersion:
      ErrorMeaning(
        .message, "The protocol version in `_meta` is not served here.",
        remedy: "Choose one of those in `data.supported`.")
    case .missingCapability:
      ErrorMeaning(
        .message, "The call needs something of the client that it has not declared.",
        remedy: "Declare what `data.requiredCapabilities` names, if the client can do it.")

    case .notAcceptable:
      ErrorMeaning(
        .request, "`Accept` does not name what may be answered.",
        remedy: "Send `Accept: application/json, text/event-stream` with a POST, `text/event-stream` with a GET.")
    case .unsupportedMediaType:
      ErrorMeaning(
        .request, "The body of a POST is not said to be JSON.", remedy: "Send `Content-Type: application/json`.")
    case .methodNotAllowed:
      ErrorMeaning(
        .request, "This address does not take that HTTP method: in 2026-07-28 there is only POST.",
        remedy: "Use one that `Allow` names. A client of HTTP+SSE begins at `/mcp/sse`.")
    case .badOrigin:
      ErrorMeaning(
        .request, "A browser sent the request for a page that may not use the gateway.",
        remedy: "List the page's origin in `allowed_origins` of the listener.")
    case .badHost:
      ErrorMeaning(
        .request, "`Host` names something that is not served here.",
        remedy: "List the name in `allowed_hosts` of the listener, and let proxies pass `Host` on.")
    case .notFound:
      ErrorMeaning(
        .request, "Nothing is served at this path, or no server has that alias.",
        remedy: "Use `/mcp`, or `/mcp/{alias}` with an alias that `sluice check` prints.")

    case .versionHeader:
      ErrorMeaning(
        .session,
        "`MCP-Protocol-Version` names a revision that the session was not opened with, or none that is served.",
        remedy: "Send the `protocolVersion` that `initialize` was answered with.")
    case .initializeVersion:
      ErrorMeaning(
        .session, "`initialize` came with an `MCP-Protocol-Version` of a revision that has none.",
        remedy: "Leave the header out with `initialize`.")
    case .sessionMissing:
      ErrorMeaning(
        .session, "A request that belongs to a session does not say to which.",
        remedy: "Send `initialize` first, then `Mcp-Session-Id` as it came with its answer, once.")
    case .sessionUnknown:
      ErrorMeaning(
        .session,
        "There is no such session any more: it was idle for `sessions.idle_timeout`, is older than "
          + "`sessions.max_age`, was ended, or is another client's or another path's.",
        remedy:
          "Open another with `initialize`, as clients do by themselves. If it happens after each restart, see "
          + "that `state_dir` or `sessions.secret` is kept."
      )
    case .sessionLimit:
      ErrorMeaning(
        .session, "There are `sessions.max` sessions, or this client has `sessions.per_client`, and all are in use.",
        remedy: "Let clients end sessions with DELETE, shorten `sessions.idle_timeout`, or raise the limit.")
    case .streamTaken:
      ErrorMeaning(
        .session, "The session reads as many event streams as it may (`limits.streams_per_session`).",
        remedy: "End one that is not read any more.")
    case .notResumable:
      ErrorMeaning(
        .session, "What followed the event in `Last-Event-ID` is not known any more, or never was.",
        remedy:
          "GET without `Last-Event-ID`, and fetch lists again. `sessions.replay` and `sessions.resume_window` "
          + "say how much is kept, and for how long."
      )

    case .methodNotFound:
      ErrorMeaning(
        .call,
        "The revision has no such method, or the path has several servers and the method is one of a server's own.",
        remedy: "Send a server's own methods to `/mcp/{alias}`.")
    case .serverNotCapable:
      ErrorMeaning(
        .call, "No server at this path offers what the method is for.",
        remedy: "Go by the capabilities that were declared; `data.server` names the server that lacks it.")
    case .invalidParams:
      ErrorMeaning(.call, "A parameter is missing or can't be used.", remedy: "Send what the error's message asks for.")
    case .invalidCursor:
      ErrorMeaning(
        .call, "The cursor is none of this list, or the list has changed since.",
        remedy: "Fetch the list again from its first page.")
    case .unknownTool:
      ErrorMeaning(
        .call, "No server at this path has such a tool.",
        remedy: "Fetch `tools/list` again: with several servers names begin with the alias (`files__read`).")
    case .unknownPrompt:
      ErrorMeaning(.call, "No server at this path has such a prompt.", remedy: "Fetch `prompts/list` again.")
    case .unknownResource:
      ErrorMeaning(
        .call, "No server at this path is known to have a resource with that URI.",
        remedy: "Fetch the lists again, or read it at `/mcp/{alias}` of the server that has it.")
    case .clientNotCapable:
      ErrorMeaning(
        .call,
        "A server asked its client for something that the client has not declared. The error goes to the server.",
        remedy:
          "Declare the capability in the client, or give the server `isolation: session`, so that it knows whom "
          + "it asks."
      )
    case .notAcrossEras:
      ErrorMeaning(
        .call,
        "To answer the call the server would have to ask the client something that can't be put to its revision.",
        remedy: "Use a client of the server's era for this tool.")
    case .cancelled:
      ErrorMeaning(
        .call, "The client has cancelled the call, or ended its session.",
        remedy: "Nothing: nobody waits for the answer.")

    case .upstreamUnreachable:
      ErrorMeaning(
        .server,
        "Nothing was sent: the server is not started, can't be reached, or is known to be down. It is looked at "
          + "again by itself.",
        remedy: "Look in the log for why. Try again after `retry_after_ms`: nothing has happened.")
    case .upstreamTimeout:
      ErrorMeaning(
        .server,
        "There was no answer and no progress for `call_timeout`, or no answer for `call_timeout_ceiling`. The "
          + "server was told to cancel.",
        remedy: "Let the tool report progress, or raise `call_timeout`. It may have had its effect.")
    case .upstreamClosed:
      ErrorMeaning(
        .server, "The connection or the process ended after the call had been sent, before its answer had come.",
        remedy:
          "Look into the server's own log. Try again only what may happen twice; the gateway does where that is "
          + "known (`trust_hints`)."
      )
    case .upstreamRefused:
      ErrorMeaning(
        .server, "The server, or what stands before it, answered with an HTTP error, 429 among them.",
        remedy: "The error's message has the status. Wait for `retry_after_ms` where there is one.")
    case .upstreamInvalid:
      ErrorMeaning(
        .server, "What came is no valid answer: no JSON-RPC, the wrong form, or no answer to this call.",
        remedy: "Mend the server: the error's message and the log say what was wrong.")
    case .upstreamBusy:
      ErrorMeaning(
        .server,
        "Nothing was sent: `limits.in_flight` calls are under way, or a child does not read what it was sent "
          + "(`limits.stdio_buffer`).",
        remedy: "Try again after `retry_after_ms`. If it lasts, add `replicas` or `endpoints`.")
    case .upstreamCredentials:
      ErrorMeaning(
        .server, "The server answered 401 or 403: it does not take the gateway's own credentials.",
        remedy: "Mend `headers` or `tls` of the server in the configuration, and reload.")
    case .resultTooLarge:
      ErrorMeaning(
        .server, "One message of the server is larger than `limits.result`.",
        remedy: "Ask for less, such as a page or a range, or raise the limit.")
    case .circuitOpen:
      ErrorMeaning(
        .server,
        "Nothing was sent: the last calls to the server's endpoint, or to this one tool of it, have failed, and "
          + "it is given a rest (`routing.breaker`). One call goes there when that is over.",
        remedy:
          "Try again after `retry_after_ms`. The log says when it opened; mend what the failures before that "
          + "were about."
      )

    case .poolTimeout:
      ErrorMeaning(
        .server,
        "Nothing was sent: all connections that there may be to the server (`pool.size` and `pool.overflow`) were in "
          + "use for as long as a call waits for one (`pool.checkout_timeout`).",
        remedy:
          "Try again after `retry_after_ms`. If it lasts, the server is too slow for its callers: raise `pool.size` if "
          + "it can take more at a time, or add `endpoints`."
      )

    case .serverFailed:
      ErrorMeaning(
        .server,
        "Nothing was sent: the server's command has died more often than `restarts` allows, and is not started again.",
        remedy: "The error's message says how it died at last; what it said before that is in the log. Mend it, "
          + "and reload (SIGHUP).")

    case .overloaded:
      ErrorMeaning(
        .gateway,
        "The gateway is short of memory or descriptors, or this client keeps as much of them as one may have.",
        remedy:
          "Try again after `retry_after_ms`. Raise `limits.memory` or the descriptor limit, or let clients read "
          + "what they ask for."
      )
    case .draining:
      ErrorMeaning(
        .gateway, "The gateway ends, or another process takes its place.",
        remedy: "Connect again: over a new connection the next process answers.")
    case .internalFault:
      ErrorMeaning(
        .gateway, "Something that should not be possible.",
        remedy: "Report it, with the error's message and the log around it.")
    }
  }
}
