"""What the protocol's conformance suite plays of 2025-11-25: what is right at a server is right through the gateway.

The scenarios are the suite's, the servers and the checks are ours (`drivers/everything.py`). Each runs against the
server itself and against the gateway before it, over HTTP and stdio.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import everything as offered
import features
import pytest

from harness.client import ANSWERS
from harness.places import ABILITIES, Listener, Place, converse, hear, use
from harness.processes import eventually
from harness.wire import LEGACY, Connection, LegacySession, notification, request, rpc

PLACES = ["v1", "v2", "v1http", "v1stdio", "v2http", "v2stdio"]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Place:
    return place_of(request.param)


@pytest.fixture
def session(place: Place) -> Iterator[LegacySession]:
    session = place.session()
    yield session
    session.delete()


# --- Life of a session -----------------------------------------------------------------------------------------------


def test_initialize_agrees_and_says_who_and_what(place: Place) -> None:
    params = {"protocolVersion": LEGACY, "capabilities": ABILITIES, "clientInfo": {"name": "wire", "version": "1"}}
    body = json.dumps(rpc("initialize", params, "first")).encode()
    with Connection(place.port) as connection:
        connection.send(request("POST", place.path, None, body, port=place.port))
        heard = hear(connection)
    assert heard.head.status == 200 and heard.answer["id"] == "first"
    assert heard.result["protocolVersion"] == LEGACY
    assert heard.result["serverInfo"]["name"] and heard.result["serverInfo"]["version"]
    capabilities = heard.result["capabilities"]
    assert {"logging", "completions"} <= set(capabilities)
    assert capabilities["resources"]["subscribe"] is True
    assert all(capabilities[kind]["listChanged"] is True for kind in ("tools", "resources", "prompts"))
    session = heard.head.headers["mcp-session-id"]
    assert session and all("!" <= letter <= "~" for letter in session)


def test_a_session_that_was_deleted_is_not_found(place: Place) -> None:
    session = place.session()
    assert "result" in session.post(rpc("tools/list")).message
    assert session.delete().status in (200, 202, 204)
    for _ in range(3):
        assert session.post(rpc("tools/list")).status == 404
    connection, head = session.listen()
    connection.close()
    assert head.status == 404


def test_initialized_is_accepted_without_a_body(place: Place) -> None:
    session = place.session(initialized=False)
    answer = session.post(notification("notifications/initialized"))
    assert (answer.status, answer.body) == (202, b"")
    session.delete()


def test_an_unknown_revision_in_the_header_is_refused(session: LegacySession) -> None:
    assert session.post(rpc("ping"), {"MCP-Protocol-Version": "1900-01-01"}).status == 400
    assert session.post(rpc("ping")).status == 200


def test_a_batch_is_refused(session: LegacySession) -> None:
    answer = session.post([rpc("ping", {}, 901), rpc("ping", {}, 902)])
    assert 400 <= answer.status < 500 and answer.code is not None


def test_foreign_hosts_and_origins_are_refused(session: LegacySession) -> None:
    for headers in ({"Host": "evil.example.com"}, {"Origin": "http://evil.example.com"}):
        assert 400 <= session.post(rpc("ping"), headers).status < 500
    for name in ("localhost", "127.0.0.1"):
        local = {"Host": f"{name}:{session.port}", "Origin": f"http://{name}:{session.port}"}
        assert session.post(rpc("ping"), local).status == 200


def test_ping_is_answered_with_nothing(session: LegacySession) -> None:
    assert converse(session, "ping", number="p").result == {}


# --- Tools -----------------------------------------------------------------------------------------------------------


def test_tools_are_listed_as_the_server_has_them(session: LegacySession) -> None:
    listed = converse(session, "tools/list").result["tools"]
    assert listed == offered.Everything.own_tools


def test_a_schema_of_2020_12_keeps_its_keywords(session: LegacySession) -> None:
    (tool,) = [tool for tool in converse(session, "tools/list").result["tools"] if tool["name"] == "order"]
    assert tool["inputSchema"] == offered.DIALECT


CONTENTS = {
    "audio": [{"type": "audio", "data": offered.SOUND, "mimeType": "audio/wav"}],
    "image": [{"type": "image", "data": features.PIXEL, "mimeType": "image/png"}],
    "embedded": [{"type": "resource", "resource": {"uri": "ref://inside", "mimeType": "text/plain", "text": "inside"}}],
    "mixed": [
        {"type": "text", "text": "three"},
        {"type": "image", "data": features.PIXEL, "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "ref://data", "mimeType": "application/json", "text": '{"a":1}'}},
    ],
}


@pytest.mark.parametrize("tool", CONTENTS)
def test_contents_arrive_whole(session: LegacySession, tool: str) -> None:
    heard = use(session, tool)
    assert heard.content == CONTENTS[tool]
    assert set(heard.result) <= {"content", "isError"}, heard.result


def test_a_text_arrives(session: LegacySession) -> None:
    assert use(session, "echo", {"text": "plain"}).content == [{"type": "text", "text": "plain"}]


def test_a_tool_that_fails_says_so_in_its_result(session: LegacySession) -> None:
    result = use(session, "error_result").result
    assert result == {"content": [{"type": "text", "text": "it went wrong"}], "isError": True}


def test_an_unknown_tool_is_an_error(session: LegacySession) -> None:
    heard = use(session, "no_such_tool")
    assert heard.head.status == 200
    assert heard.answer.get("error", {}).get("code") == -32602 or heard.result["isError"]


def test_progress_comes_before_the_answer(session: LegacySession) -> None:
    for token in ("t", 7):
        heard = use(session, "percent", _meta={"progressToken": token})
        assert [(report["progress"], report["total"]) for report in heard.of("notifications/progress")] == [
            (0, 100), (50, 100), (100, 100)
        ]  # fmt: skip
        assert all(report["progressToken"] == token for report in heard.of("notifications/progress"))
        assert heard.text == "done"


def test_without_a_token_there_is_no_progress(session: LegacySession) -> None:
    assert len(use(session, "percent").said) == 1


def test_log_messages_come_with_their_call(session: LegacySession) -> None:
    assert converse(session, "logging/setLevel", {"level": "debug"}).result == {}
    logged = use(session, "log", {"text": "aloud"}).of("notifications/message")
    assert [entry["level"] for entry in logged] == ["debug", "info", "error"]
    assert all(entry["logger"] == "reference" and entry["data"]["text"] == "aloud" for entry in logged)


@pytest.mark.parametrize("level", ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"])
def test_every_level_can_be_set(session: LegacySession, level: str) -> None:
    assert converse(session, "logging/setLevel", {"level": level}).result == {}


def test_a_level_that_nobody_knows_is_an_error(session: LegacySession) -> None:
    answer = session.post(rpc("logging/setLevel", {"level": "loud"}))
    assert answer.code is not None


# --- Questions -------------------------------------------------------------------------------------------------------


def asked(session: LegacySession, tool: str, method: str, answer: Any, kind: str) -> dict[str, Any]:
    """What the client was asked by a tool whose result is the client's answer."""
    heard = use(session, tool, answers={**ANSWERS, kind: answer})
    (params,) = heard.of(method)
    said = heard.result["structuredContent"]
    assert said | answer == said, heard
    return params


def test_sampling_is_answered(session: LegacySession) -> None:
    params = asked(session, "sample", "sampling/createMessage", ANSWERS["sampling"], "sampling")
    assert params["messages"] == [{"role": "user", "content": {"type": "text", "text": "hello"}}]
    assert (params["maxTokens"], params["systemPrompt"]) == (100, "be brief")


def test_roots_are_listed(session: LegacySession) -> None:
    asked(session, "roots", "roots/list", ANSWERS["roots"], "roots")


@pytest.mark.parametrize("answer", [ANSWERS["elicitation"], {"action": "decline"}, {"action": "cancel"}], ids=str)
def test_an_elicitation_is_answered_in_each_way(session: LegacySession, answer: Any) -> None:
    params = asked(session, "elicit_form", "elicitation/create", answer, "elicitation")
    assert params["requestedSchema"] == features.FORM and params["message"].endswith("Who are you?")


def test_a_page_to_open_is_shown(session: LegacySession) -> None:
    params = asked(session, "elicit_url", "elicitation/create", {"action": "accept"}, "elicitation")
    assert (params["mode"], params["url"]) == ("url", "https://example.com/sign-in") and params["elicitationId"]


def test_defaults_of_each_kind_reach_the_client_and_its_choice_the_server(session: LegacySession) -> None:
    defaults = {name: field["default"] for name, field in offered.DEFAULTS["properties"].items()}
    others = {"city": "Kyōto", "floors": 2, "rating": 0.5, "season": "wet", "open": False}
    for content in (defaults, others):
        answer = {"action": "accept", "content": content}
        params = asked(session, "elicit_defaults", "elicitation/create", answer, "elicitation")
        assert params["requestedSchema"] == offered.DEFAULTS


def test_each_form_of_a_choice_reaches_the_client(session: LegacySession) -> None:
    content = {"bare": "b", "titled": "a", "named": "b", "several": ["a", "c"], "titled_several": ["b"]}
    answer = {"action": "accept", "content": content}
    params = asked(session, "elicit_choices", "elicitation/create", answer, "elicitation")
    assert params["requestedSchema"] == offered.CHOICES


def test_several_questions_in_one_call_are_answered(session: LegacySession) -> None:
    heard = use(session, "ask_three")
    for key, kind in (("name", "elicitation"), ("greeting", "sampling"), ("places", "roots")):
        said = heard.result["structuredContent"][key]
        assert said | ANSWERS[kind] == said
    assert use(session, "ask_twice").text == "Ada and Ada"


def test_the_clients_refusal_reaches_the_server(session: LegacySession) -> None:
    for kind, tool in (("sampling", "sample"), ("elicitation", "elicit_form"), ("roots", "roots")):
        refusal = {"error": {"code": -1, "message": "The user does not want to"}}
        result = use(session, tool, answers={**ANSWERS, kind: refusal}).result
        assert result["isError"] and "The user does not want to" in result["content"][0]["text"]


@pytest.mark.parametrize("method", ["elicitation/create", "sampling/createMessage", "roots/list"])
@pytest.mark.parametrize("listens", [True, False], ids=["with-a-stream", "without-a-stream"])
@pytest.mark.parametrize("where", PLACES[2:])
def test_a_question_that_is_related_to_no_call_is_answered_in_the_first_call(
    place_of: Callable[[str], Place], where: str, listens: bool, method: str
) -> None:
    session = place_of(where).session()
    listener = Listener(session) if listens else None
    heard = use(session, "ask_aside", {"method": method})
    kind = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}[method]
    said = heard.result["structuredContent"]
    assert said | ANSWERS[kind] == said
    if listener:
        listener.close()
    session.delete()


def test_a_client_that_can_do_nothing_is_not_asked(place: Place) -> None:
    session = place.session(capabilities={})
    for tool in ("elicit_form", "sample", "roots"):
        heard = use(session, tool)
        assert not any("id" in message and "method" in message for message in heard.said) or not place.through
        assert place.through is False or "error" in heard.answer or heard.result["isError"]
    session.delete()


# --- Resources, prompts, completion ----------------------------------------------------------------------------------


def test_resources_are_listed_and_read(session: LegacySession) -> None:
    assert converse(session, "resources/list").result["resources"] == features.RESOURCES
    assert converse(session, "resources/templates/list").result["resourceTemplates"] == features.TEMPLATES
    (text,) = converse(session, "resources/read", {"uri": "ref://notes/welcome"}).result["contents"]
    assert text == {"uri": "ref://notes/welcome", "mimeType": "text/plain", "text": "Welcome, tēa drinker \U0001f375"}
    (binary,) = converse(session, "resources/read", {"uri": "ref://notes/bytes"}).result["contents"]
    assert base64.b64decode(binary["blob"]) == features.BINARY and binary["mimeType"] == "application/octet-stream"
    (topic,) = converse(session, "resources/read", {"uri": "ref://topics/123"}).result["contents"]
    assert topic == {"uri": "ref://topics/123", "mimeType": "text/plain", "text": "about 123"}


def test_a_resource_that_is_not_there_is_an_error(session: LegacySession) -> None:
    heard = converse(session, "resources/read", {"uri": "ref://no/such"})
    assert heard.head.status == 200 and heard.error["code"] in (-32002, -32602), heard


def test_who_subscribed_is_told_until_it_unsubscribes(session: LegacySession) -> None:
    listener = Listener(session)
    assert listener.head.status == 200 and listener.head.kind == "text/event-stream"
    assert converse(session, "resources/subscribe", {"uri": "ref://clock"}).result == {}
    use(session, "touch")
    assert listener.wait("notifications/resources/updated") == [{"uri": "ref://clock"}]
    (clock,) = converse(session, "resources/read", {"uri": "ref://clock"}).result["contents"]
    assert clock["text"].startswith("tick ")
    assert converse(session, "resources/unsubscribe", {"uri": "ref://clock"}).result == {}
    use(session, "touch")
    # What comes after it has overtaken nothing.
    assert converse(session, "resources/subscribe", {"uri": "ref://notes/welcome"}).result == {}
    use(session, "touch", {"uri": "ref://notes/welcome"})
    updated = [params["uri"] for params in listener.wait("notifications/resources/updated", 2)]
    assert updated == ["ref://clock", "ref://notes/welcome"]
    listener.close()


@pytest.mark.parametrize("kind", ["tools", "prompts", "resources"])
def test_a_list_change_reaches_the_stream(session: LegacySession, kind: str) -> None:
    listener = Listener(session)
    use(session, "echo", {"text": "so that it knows this session"})
    use(session, "change", {"kind": kind})
    assert listener.wait(f"notifications/{kind}/list_changed")
    listener.close()


def test_a_tool_that_was_announced_is_listed_and_can_be_called(session: LegacySession) -> None:
    listener = Listener(session)
    use(session, "echo", {"text": "so that it knows this session"})
    use(session, "add_tool", {"name": "late_2025"})
    try:
        assert listener.wait("notifications/tools/list_changed")
        assert "late_2025" in [tool["name"] for tool in converse(session, "tools/list").result["tools"]]
        assert use(session, "late_2025").text == "called late_2025"
    finally:
        use(session, "remove_tool", {"name": "late_2025"})
        listener.close()
    assert eventually(lambda: converse(session, "tools/list").result["tools"] == offered.Everything.own_tools)


def test_prompts_are_listed_and_filled_in(session: LegacySession) -> None:
    assert converse(session, "prompts/list").result["prompts"] == offered.Everything.prompts
    plain = converse(session, "prompts/get", {"name": "plain"}).result
    assert plain["messages"] == [{"role": "user", "content": {"type": "text", "text": "Say hello."}}]
    arguments = {"topic": "tea", "mood": "grim"}
    filled = converse(session, "prompts/get", {"name": "haiku", "arguments": arguments}).result
    assert filled["messages"][0]["content"]["text"] == "A haiku about tea, grim"


def test_prompts_carry_resources_and_pictures(session: LegacySession) -> None:
    params = {"name": "embedding", "arguments": {"uri": "ref://notes/welcome"}}
    embedded, text = converse(session, "prompts/get", params).result["messages"]
    resource = {"uri": "ref://notes/welcome", "mimeType": "text/plain", "text": "inside"}
    assert embedded == {"role": "user", "content": {"type": "resource", "resource": resource}}
    assert text["content"] == {"type": "text", "text": "Read it."}
    picture, _ = converse(session, "prompts/get", {"name": "picture"}).result["messages"]
    assert picture["content"] == {"type": "image", "data": features.PIXEL, "mimeType": "image/png"}


def test_a_prompt_may_ask_too(session: LegacySession) -> None:
    heard = converse(session, "prompts/get", {"name": "asking"})
    assert len(heard.of("elicitation/create")) == 1
    assert heard.result["messages"][0]["content"]["text"] == "for Ada"


def test_completion_is_answered(session: LegacySession) -> None:
    params = {"ref": {"type": "ref/prompt", "name": "haiku"}, "argument": {"name": "topic", "value": "te"}}
    values = ["tea", "teapot", "telescope"]
    assert converse(session, "completion/complete", params).result == {
        "completion": {"values": values, "total": 3, "hasMore": False}
    }
    params = {
        "ref": {"type": "ref/resource", "uri": "ref://topics/{topic}"},
        "argument": {"name": "topic", "value": "ti"},
        "context": {"arguments": {"mood": "grim"}},
    }
    assert converse(session, "completion/complete", params).result["completion"]["values"] == ["grim tide"]


# --- Streams ---------------------------------------------------------------------------------------------------------


def test_streams_of_several_calls_at_once_are_each_its_own(session: LegacySession) -> None:
    def one(number: int) -> None:
        heard = use(session, "slow", {"steps": number}, _meta={"progressToken": number})
        reports = heard.of("notifications/progress")
        assert [report["progressToken"] for report in reports] == [number] * number
        assert heard.text == f"{number} steps"

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, range(2, 7)))


def test_sessions_with_the_same_ids_and_tokens_do_not_meet(place: Place) -> None:
    def one(number: int) -> None:
        session = place.session()
        for _ in range(3):
            params = {"name": "slow", "arguments": {"steps": number}, "_meta": {"progressToken": "same"}}
            heard = converse(session, "tools/call", params, number=1)
            assert [report["total"] for report in heard.of("notifications/progress")] == [number] * number
            assert heard.text == f"{number} steps"
            assert len(heard.said) == number + 1
        session.delete()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(1, 7)))


def test_a_server_that_ends_the_stream_of_a_call_is_heard_to_the_end(session: LegacySession) -> None:
    """Directly a client comes back with the id that it was given first; the gateway comes back for its client."""
    params = {"name": "hang_up", "arguments": {}, "_meta": {"progressToken": 1}}
    with Connection(session.port, timeout=20) as connection:
        connection.send(session.bytes_of(rpc("tools/call", params, 31)))
        assert connection.head().kind == "text/event-stream"
        events = list(connection.stream())
    first = events[0]
    assert first["id"] and not first.get("data"), "its first event is not an id and nothing else"
    if not any('"result"' in event.get("data", "") for event in events):
        assert any("retry" in event for event in events), "it does not say when to come back"
        last = [event["id"] for event in events if "id" in event][-1]
        again, head = session.listen(last_event=last, timeout=20)
        assert head.status == 200
        for event in again.stream():
            events.append(event)
            if '"result"' in event.get("data", ""):
                break
        again.close()
    messages = [json.loads(event["data"]) for event in events if event.get("data")]
    assert messages[0]["params"]["progressToken"] == 1
    assert messages[-1]["id"] == 31 and messages[-1]["result"]["content"][0]["text"] == "called back"


def test_a_second_stream_of_a_session_hurts_nobody(session: LegacySession) -> None:
    listener = Listener(session)
    second, head = session.listen()
    assert head.status in (200, 409)
    second.close()
    use(session, "echo", {"text": "so that it knows this session"})
    use(session, "change", {"kind": "tools"})
    assert head.status == 200 or listener.wait("notifications/tools/list_changed")
    listener.close()


def test_cancelling_what_nobody_asked_for_hurts_nobody(session: LegacySession) -> None:
    for number in ("none", 99999, "none", "none", 0):
        cancel = notification("notifications/cancelled", {"requestId": number, "reason": "no longer wanted"})
        assert session.post(cancel).status == 202
    assert use(session, "echo", {"text": "still here"}).text == "still here"


def test_a_call_that_was_cancelled_ends_at_the_server(session: LegacySession, place: Place) -> None:
    tag = f"{place.port}{place.path}{time.monotonic_ns()}"

    def journal(name: str) -> bool:
        return tag in use(session, "journal").result["structuredContent"][name]

    body = session.bytes_of(rpc("tools/call", {"name": "sleep", "arguments": {"seconds": 30, "tag": tag}}, 77))
    with Connection(session.port, timeout=20) as connection:
        connection.send(body)
        assert eventually(lambda: journal("begun"))
        cancel = notification("notifications/cancelled", {"requestId": 77, "reason": "no longer wanted"})
        assert session.post(cancel).status == 202
        assert eventually(lambda: journal("cancelled"))
    assert use(session, "echo", {"text": "still here"}).text == "still here"


# --- The gateway as a client -----------------------------------------------------------------------------------------


class Polling:
    """A server that ends the stream of a call, and then that of each GET, so often until it answers there. What it asks
    aside it keeps for the stream that comes next."""

    def __init__(self, ends: int, retry: int, streams: bool = False) -> None:
        self.ends, self.retry, self.streams = ends, retry, streams
        self.opened: dict[str, list[float]] = {}
        """When it was asked for the stream of each session."""
        self.closed: dict[str, list[float]] = {}
        self.kept: dict[str, list[Any]] = {}
        self.answered = threading.Event()
        self.ended: list[float] = []
        """When it had ended each stream of the call."""
        self.taken_up: list[tuple[float, str | None]] = []
        """When it was asked for the next one, and after which event."""
        self.calls = 0
        self.number: Any = None
        ThreadingHTTPServer.daemon_threads = True
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), polling_handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/mcp"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def polling_handler(server: Polling) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def reply(self, status: int, kind: str = "text/event-stream", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def write(self, event: str) -> None:
            self.wfile.write(event.encode())

        def answer(self, number: Any, result: Any) -> None:
            message = {"jsonrpc": "2.0", "id": number, "result": result}
            self.write(f"event: message\nid: last\ndata: {json.dumps(message)}\n\n")

        def hang_up(self) -> None:
            # Only the first says when to come back: that holds until another is named.
            retry = f"retry: {server.retry}\n" if not server.ended else ""
            self.write(f"id: event {len(server.ended)}\n{retry}data: \n\n")
            server.ended.append(time.monotonic())

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            match message.get("method"):
                case None:
                    server.answered.set()
                    self.reply(202)
                case "initialize":
                    self.reply(200, Mcp_Session_Id=uuid.uuid4().hex)
                    self.write("id: opened\nretry: 100\ndata: \n\n")
                    info = {"name": "polling", "version": "1"}
                    capabilities = {"tools": {}}
                    result = {"protocolVersion": LEGACY, "capabilities": capabilities, "serverInfo": info}
                    self.answer(message["id"], result)
                case "tools/list":
                    self.reply(200)
                    names = ["poll", "echo", "ask"]
                    tools = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
                    self.answer(message["id"], {"tools": tools})
                case "tools/call" if message["params"]["name"] != "poll":
                    if message["params"]["name"] == "ask":
                        question = {"jsonrpc": "2.0", "id": "aside", "method": "roots/list"}
                        server.kept[self.headers["Mcp-Session-Id"]] = [question]
                        server.answered.wait(20)
                    self.reply(200)
                    self.answer(message["id"], {"content": [{"type": "text", "text": "done"}]})
                case "tools/call":
                    server.calls += 1
                    server.number = message["id"]
                    self.reply(200)
                    self.hang_up()
                case _ if "id" in message:
                    self.reply(400)
                case _:
                    self.reply(202)

        def do_GET(self) -> None:
            last = self.headers.get("Last-Event-ID")
            if server.streams and (last is None or last.startswith("aside")):
                return self.stand_by(last)
            if last is None:
                return self.reply(405)
            server.taken_up.append((time.monotonic(), last))
            self.reply(200)
            if len(server.ended) < server.ends:
                return self.hang_up()
            self.answer(server.number, {"content": [{"type": "text", "text": "in the end"}]})

        def stand_by(self, last: str | None) -> None:
            session = self.headers["Mcp-Session-Id"]
            opened, closed = server.opened.setdefault(session, []), server.closed.setdefault(session, [])
            opened.append(time.monotonic())
            self.reply(200)
            retry = f"retry: {server.retry}\n" if last is None else ""
            self.write(f"id: aside {len(opened)}\n{retry}data: \n\n")
            for message in server.kept.pop(session, []):
                self.write(f"data: {json.dumps(message)}\n\n")
            closed.append(time.monotonic())

        def do_DELETE(self) -> None:
            self.reply(200)

    return Handler


@pytest.mark.parametrize(("ends", "retry"), [(1, 400), (2, 1500)])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_call_whose_stream_the_server_ends_is_taken_up_when_it_said(
    make_gateway: Callable[..., Any], ends: int, retry: int, era: str
) -> None:
    server = Polling(ends, retry)
    try:
        gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}})
        place = Place(gateway.port, "/mcp/own", through=True)
        heard = use(place.session(), "poll") if era == "legacy" else place.call("poll")
        assert heard.text == "in the end" and server.calls == 1
        assert [last for _, last in server.taken_up] == [f"event {number}" for number in range(ends)]
        for ended, (taken_up, _) in zip(server.ended, server.taken_up, strict=True):
            assert taken_up - ended >= retry / 1000 - 0.01, "it came back before it was told to"
    finally:
        server.close()


@pytest.mark.parametrize("listens", [True, False], ids=["with-a-listener", "without-a-listener"])
def test_a_stream_that_the_server_ends_is_taken_up_no_sooner_than_it_said(
    make_gateway: Callable[..., Any], listens: bool
) -> None:
    """Though calls come meanwhile, one of which asks something."""
    server = Polling(0, retry=1200, streams=True)
    try:
        gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}}, workers=3)
        session = Place(gateway.port, "/mcp/own", through=True).session()
        listener = Listener(session) if listens else None
        assert use(session, "echo").text == "done"
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(use, session, "ask")
            while not answer.done():
                assert use(session, "echo").text == "done"
                time.sleep(0.05)
            assert answer.result().text == "done" and server.answered.is_set()
        assert any(len(opened) > 1 for opened in server.opened.values())
        for whose, opened in server.opened.items():
            for closed, again in zip(server.closed[whose], opened[1:], strict=False):
                assert again - closed >= 1.19, "it came back before it was told to"
        if listener:
            listener.close()
    finally:
        server.answered.set()
        server.close()
