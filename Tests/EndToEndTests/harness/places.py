"""Where a client finds a server that offers everything: directly, or behind the gateway."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from harness.client import ANSWERS
from harness.wire import Connection, LegacySession, Response, envelope, modern, modern_headers, request, rpc

ABILITIES: dict[str, Any] = {"roots": {}, "sampling": {}, "elicitation": {"form": {}, "url": {}}}
METHODS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}


@dataclass(frozen=True)
class Place:
    """An endpoint with one server behind it, under the names that it has itself."""

    port: int
    path: str
    through: bool
    """Whether the gateway is in between."""

    def session(self, capabilities: Any = None, **more: Any) -> LegacySession:
        chosen = ABILITIES if capabilities is None else capabilities
        return LegacySession(self.port, path=self.path, capabilities=chosen, **more)

    def ask(
        self, method: str, params: dict[str, Any] | None = None, number: Any = 1, capabilities: Any = None,
        meta: dict[str, Any] | None = None, headers: dict[str, str | None] | None = None,
    ) -> Heard:  # fmt: skip
        """One request of 2026-07-28."""
        message = modern(method, params, number, envelope(capabilities=capabilities, **(meta or {})))
        return self.send(message, {**modern_headers(message), **(headers or {})})

    def send(self, message: Any, headers: dict[str, str | None]) -> Heard:
        body = json.dumps(message).encode()
        with Connection(self.port) as connection:
            connection.send(request("POST", self.path, headers, body, port=self.port))
            return hear(connection)

    def call(self, name: str, arguments: Any = None, **more: Any) -> Heard:
        params = {"name": name, "arguments": arguments or {}, **more.pop("params", {})}
        return self.ask("tools/call", params, **more)


@dataclass
class Heard:
    """What came back to one POST: every message in order, and what the client did meanwhile."""

    head: Response
    said: list[dict[str, Any]] = field(default_factory=list)
    primed: bool = False
    """Whether its stream began with an event that is an id and nothing else."""

    @property
    def answer(self) -> dict[str, Any]:
        assert self.said and "method" not in self.said[-1], f"no answer at the end: {self}"
        return self.said[-1]

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.answer, self
        return self.answer["result"]

    @property
    def error(self) -> dict[str, Any]:
        assert "error" in self.answer, self
        return self.answer["error"]

    @property
    def content(self) -> list[dict[str, Any]]:
        assert self.result.get("resultType", "complete") == "complete", self
        assert not self.result.get("isError"), self
        return self.result["content"]

    @property
    def text(self) -> str:
        return self.content[0]["text"]

    def of(self, method: str) -> list[dict[str, Any]]:
        return [message.get("params", {}) for message in self.said if message.get("method") == method]


def hear(connection: Connection, session: LegacySession | None = None, answers: Any = None) -> Heard:
    """Reads one answer to its end; questions on its stream are answered on other connections."""
    head = connection.head()
    heard = Heard(head)
    if head.kind != "text/event-stream":
        body = connection.exactly(int(head.headers.get("content-length", "0")))
        assert not body or head.kind == "application/json", head
        heard.said = [json.loads(body)] if body else []
        return heard
    for count, event in enumerate(connection.stream()):
        assert event.get("event", "message") == "message", event
        if not event.get("data"):
            heard.primed = heard.primed or (count == 0 and "id" in event)
            continue
        message = json.loads(event["data"])
        heard.said.append(message)
        if session is not None and "method" in message and "id" in message:
            reply(session, message, answers)
    return heard


def reply(session: LegacySession, question: dict[str, Any], answers: Any = None) -> None:
    """Answers a question of the server; an answer that holds `error` is one."""
    kind = METHODS.get(question["method"])
    result = {} if kind is None else (answers or ANSWERS)[kind]
    answer = result if "error" in result else {"result": result}
    assert session.post({"jsonrpc": "2.0", "id": question["id"], **answer}).status == 202


def converse(session: LegacySession, method: str, params: Any = None, answers: Any = None, **more: Any) -> Heard:
    """One request of a legacy session, with answers to what it is asked on the way."""
    number = more.get("number", next(session.numbers))
    with Connection(session.port, timeout=20) as connection:
        connection.send(session.bytes_of(rpc(method, params, number)))
        heard = hear(connection, session, answers)
    assert heard.answer["id"] == number and type(heard.answer["id"]) is type(number), heard
    return heard


def use(session: LegacySession, tool: str, arguments: Any = None, answers: Any = None, **params: Any) -> Heard:
    return converse(session, "tools/call", {"name": tool, "arguments": arguments or {}, **params}, answers)


class Listener:
    """A GET stream of a legacy session, read in a thread; questions on it are answered."""

    def __init__(self, session: LegacySession, answers: Any = None, last_event: str | None = None) -> None:
        self.session, self.answers = session, answers
        self.messages: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.connection, self.head = session.listen(last_event, timeout=30)
        self.more = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        try:
            for event in self.connection.stream():
                if "id" in event:
                    self.ids.append(event["id"])
                if not event.get("data"):
                    continue
                message = json.loads(event["data"])
                with self.more:
                    self.messages.append(message)
                    self.more.notify_all()
                if "method" in message and "id" in message:
                    reply(self.session, message, self.answers)
        except (OSError, ValueError, AssertionError):
            pass

    def wait(self, method: str, count: int = 1, seconds: float = 15) -> list[dict[str, Any]]:
        """The params of the messages of that method, at least `count` unless the time is over."""

        def found() -> list[dict[str, Any]]:
            return [message.get("params", {}) for message in self.messages if message.get("method") == method]

        with self.more:
            self.more.wait_for(lambda: len(found()) >= count, seconds)
            return found()

    def close(self) -> None:
        self.connection.close()
