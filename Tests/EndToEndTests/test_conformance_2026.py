"""What the protocol's conformance suite plays of 2026-07-28: what is right at a server is right through the gateway.

The scenarios are the suite's, the server and the checks are ours (`drivers/everything.py`). Each runs against the server
itself and against the gateway before it, over HTTP and stdio.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import everything as offered
import features
import pytest

from harness.client import ANSWERS
from harness.places import Heard, Place
from harness.processes import eventually
from harness.scripted_modern import ModernServer, tool
from harness.wire import MODERN, Connection, envelope, modern, modern_headers, request, rpc

PLACES = ["v2", "v2http", "v2stdio"]
PREFIX = "io.modelcontextprotocol/"
ABILITIES: dict[str, Any] = {"roots": {}, "sampling": {}, "elicitation": {"form": {}, "url": {}}}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Place:
    return place_of(request.param)


def refused(heard: Heard, status: int, code: int, number: Any = 1) -> dict[str, Any]:
    assert (heard.head.status, heard.error["code"]) == (status, code), heard
    assert heard.answer["id"] == number, heard
    return heard.error


# --- Envelope, versions, headers -------------------------------------------------------------------------------------


def test_discover_says_what_is_served(place: Place) -> None:
    heard = place.ask("server/discover")
    assert heard.head.status == 200 and heard.result["resultType"] == "complete"
    assert MODERN in heard.result["supportedVersions"]
    capabilities = heard.result["capabilities"]
    assert {"tools", "prompts", "resources", "completions"} <= set(capabilities)
    assert capabilities["resources"]["subscribe"] is True
    assert heard.result["_meta"][PREFIX + "serverInfo"]["name"]
    for method, kind in (("tools/list", "tools"), ("prompts/list", "prompts"), ("resources/list", "resources")):
        assert isinstance(place.ask(method).result[kind], list)


@pytest.mark.parametrize("missing", ["everything", "protocolVersion", "clientCapabilities"])
def test_an_envelope_that_lacks_what_it_needs_is_refused(place: Place, missing: str) -> None:
    params = {} if missing == "everything" else {"_meta": envelope(**{PREFIX + missing: None})}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "server/discover"}
    refused(place.send(rpc("server/discover", params, 101), headers), 400, -32602, 101)


def test_a_client_need_not_say_who_it_is(place: Place) -> None:
    assert place.ask("server/discover", meta={PREFIX + "clientInfo": None}).head.status == 200


def test_a_version_that_nobody_serves_is_answered_with_those_that_are(place: Place) -> None:
    message = modern("server/discover", None, 301, envelope(version="v999.0.0"))
    error = refused(place.send(message, modern_headers(message, "v999.0.0")), 400, -32022, 301)
    assert error["data"]["requested"] == "v999.0.0" and error["data"]["supported"]
    assert set(error["data"]["supported"]) <= set(place.ask("server/discover").result["supportedVersions"])


def test_a_header_that_differs_from_the_body_is_refused(place: Place) -> None:
    wrong: list[dict[str, str | None]] = [
        {"Mcp-Method": "prompts/list"}, {"Mcp-Method": None}, {"Mcp-Method": "TOOLS/LIST"},
    ]  # fmt: skip
    for headers in wrong:
        refused(place.ask("tools/list", headers=headers, number=9), 400, -32020, 9)
    for headers in ({"Mcp-Name": "another"}, {"Mcp-Name": None}):
        refused(place.call("echo", {"text": "x"}, headers=headers), 400, -32020)
    message = modern("server/discover", None, 302, envelope(version="v999.0.0"))
    refused(place.send(message, modern_headers(message)), 400, -32020, 302)


def test_names_of_headers_are_taken_in_any_case_and_values_with_blanks_around(place: Place) -> None:
    for name in ("mcp-method", "MCP-METHOD"):
        assert place.ask("tools/list", headers={"Mcp-Method": None, name: "tools/list"}).result["tools"]
    assert place.call("echo", {"text": "x"}, headers={"Mcp-Name": "  echo  "}).text == "x"


def test_arguments_that_are_mirrored_are_checked(place: Place) -> None:
    def call(arguments: dict[str, Any], **headers: str) -> Heard:
        mirrored = {f"Mcp-Param-{name}": value for name, value in headers.items()}
        return place.call("mirrored", arguments, headers=mirrored)

    encoded = base64.b64encode(b"Hello").decode()
    assert call({"region": "Hello"}, Region="Hello").text == "Hello"
    assert call({"region": "Hello"}, Region=f"=?base64?{encoded}?=").text == "Hello"
    # Half a wrapping is none.
    for literal in (encoded, f"=?base64?{encoded}", f"{encoded}?="):
        assert call({"region": literal}, Region=literal).text == literal
    assert call({"region": "a", "count": 42, "dry": True}, Region="a", Count="42", Dry="true").text == "a"
    for broken in ("=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "Goodbye"):
        refused(call({"region": "Hello"}, Region=broken), 400, -32020)
    refused(call({"region": "Hello"}), 400, -32020)
    refused(call({"region": "a", "count": 42}, Region="a", Count="43"), 400, -32020)


@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "unknown/method"],
)
def test_what_is_no_method_of_it_is_not_found(place: Place, method: str) -> None:
    refused(place.ask(method, number="five"), 404, -32601, "five")


def test_a_batch_is_refused(place: Place) -> None:
    batch = [modern("server/discover", None, 1), modern("tools/list", None, 2)]
    heard = place.send(batch, modern_headers(batch[0]))
    assert 400 <= heard.head.status < 500 and "code" in heard.error


def test_nothing_of_a_session_is_there(place: Place) -> None:
    heard = place.ask("tools/list", headers={"Mcp-Session-Id": "of another time", "Last-Event-ID": "7"})
    assert heard.head.status == 200 and "mcp-session-id" not in heard.head.headers
    for method in ("GET", "DELETE"):
        with Connection(place.port) as connection:
            headers = {"MCP-Protocol-Version": MODERN, "Accept": "text/event-stream"}
            connection.send(request(method, place.path, headers, port=place.port))
            assert connection.head().status == 405 or not place.through


def test_foreign_hosts_and_origins_are_refused(place: Place) -> None:
    for headers in ({"Host": "evil.example.com"}, {"Origin": "http://evil.example.com"}):
        assert 400 <= post_status(place, headers) < 500
    for name in ("localhost", "127.0.0.1"):
        assert post_status(place, {"Host": f"{name}:{place.port}", "Origin": f"http://{name}:{place.port}"}) == 200


def post_status(place: Place, headers: dict[str, str]) -> int:
    message = modern("tools/list")
    body = json.dumps(message).encode()
    with Connection(place.port) as connection:
        connection.send(request("POST", place.path, {**modern_headers(message), **headers}, body, port=place.port))
        return connection.head().status


# --- Lists and what is in them ---------------------------------------------------------------------------------------


def test_everything_cacheable_says_for_how_long_and_for_whom(place: Place) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("server/discover", {}), ("tools/list", {}), ("prompts/list", {}), ("resources/list", {}),
        ("resources/templates/list", {}), ("resources/read", {"uri": "ref://notes/welcome"}),
    ]  # fmt: skip
    for method, params in asked:
        result = place.ask(method, params).result
        assert type(result["ttlMs"]) is int and result["ttlMs"] >= 0, result
        assert result["cacheScope"] in ("public", "private") and result["resultType"] == "complete", result
    assert "ttlMs" not in place.call("echo", {"text": "x"}).result


def test_lists_are_those_of_the_server(place: Place) -> None:
    assert place.ask("tools/list").result["tools"] == offered.Everything.own_tools
    assert place.ask("prompts/list").result["prompts"] == offered.Everything.prompts
    assert place.ask("resources/list").result["resources"] == features.RESOURCES
    assert place.ask("resources/templates/list").result["resourceTemplates"] == features.TEMPLATES


def test_contents_of_every_kind_arrive_whole(place: Place) -> None:
    assert place.call("audio").content == [{"type": "audio", "data": offered.SOUND, "mimeType": "audio/wav"}]
    assert place.call("image").content == [{"type": "image", "data": features.PIXEL, "mimeType": "image/png"}]
    assert [block["type"] for block in place.call("mixed").content] == ["text", "image", "resource"]
    assert place.call("structured").result["structuredContent"] == {"city": "Ōsaka", "degrees": 21.5}
    failed = place.call("error_result").result
    assert failed["isError"] is True and failed["content"] == [{"type": "text", "text": "it went wrong"}]


def test_resources_prompts_and_completions_arrive_whole(place: Place) -> None:
    (binary,) = place.ask("resources/read", {"uri": "ref://notes/bytes"}).result["contents"]
    assert base64.b64decode(binary["blob"]) == features.BINARY
    (topic,) = place.ask("resources/read", {"uri": "ref://topics/9"}).result["contents"]
    assert topic == {"uri": "ref://topics/9", "mimeType": "text/plain", "text": "about 9"}
    error = place.ask("resources/read", {"uri": "ref://no/such"}).error
    assert error["code"] == -32602 and error["data"]["uri"] == "ref://no/such"
    embedded, _ = place.ask("prompts/get", {"name": "embedding", "arguments": {"uri": "ref://x"}}).result["messages"]
    assert embedded["content"]["resource"] == {"uri": "ref://x", "mimeType": "text/plain", "text": "inside"}
    picture, _ = place.ask("prompts/get", {"name": "picture"}).result["messages"]
    assert picture["content"] == {"type": "image", "data": features.PIXEL, "mimeType": "image/png"}
    params = {"ref": {"type": "ref/prompt", "name": "haiku"}, "argument": {"name": "topic", "value": "te"}}
    assert place.ask("completion/complete", params).result["completion"]["values"] == ["tea", "teapot", "telescope"]


# --- Progress and logs -----------------------------------------------------------------------------------------------


def test_progress_comes_on_the_stream_of_its_request(place: Place) -> None:
    for token in ("t", 7):
        heard = place.call("percent", meta={"progressToken": token})
        reports = heard.of("notifications/progress")
        assert [(report["progress"], report["progressToken"]) for report in reports] == [
            (0, token), (50, token), (100, token)
        ]  # fmt: skip
        assert heard.text == "done"
    assert len(place.call("percent").said) == 1


def test_logs_come_from_the_level_on_that_the_request_names(place: Place) -> None:
    def levels(level: str | None) -> list[str]:
        heard = place.call("log", meta={PREFIX + "logLevel": level})
        assert heard.text == "logged"
        return [entry["level"] for entry in heard.of("notifications/message")]

    assert levels("debug") == ["debug", "info", "error"]
    assert levels("info") == ["info", "error"]
    assert levels("error") == ["error"]
    assert levels("emergency") == levels(None) == []


def test_a_level_that_nobody_knows_is_refused(place: Place) -> None:
    heard = place.call("log", meta={PREFIX + "logLevel": "loud"})
    assert heard.error["code"] == -32602, heard


def test_logs_come_to_who_asked_for_them_alone(place: Place) -> None:
    def one(number: int) -> list[dict[str, Any]]:
        level = "debug" if number % 2 else None
        return place.call("log", meta={PREFIX + "logLevel": level}, number=number).of("notifications/message")

    with ThreadPoolExecutor(6) as pool:
        for number, logged in enumerate(pool.map(one, range(12))):
            # What a shared child logs does not say for which of the calls on their way it is.
            most = 18 if place.path.endswith("stdio") else 3
            assert 3 <= len(logged) <= most if number % 2 else not logged


# --- Capabilities and questions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "capability"), [("sample", "sampling"), ("elicit_form", "elicitation"), ("roots", "roots")]
)
def test_a_capability_that_was_not_declared_is_named(place: Place, name: str, capability: str) -> None:
    others = {other: able for other, able in ABILITIES.items() if other != capability}
    for capabilities in ({}, others):
        error = refused(place.call(name, number=401, capabilities=capabilities), 400, -32021, 401)
        assert list(error["data"]["requiredCapabilities"]) == [capability]


def required(heard: Heard) -> dict[str, Any]:
    result = heard.result
    assert heard.head.status == 200 and result["resultType"] == "input_required", heard
    assert not [message for message in heard.said if "id" in message and "method" in message], heard
    return result


def answered(place: Place, method: str, params: dict[str, Any], asked: dict[str, Any], responses: Any) -> Heard:
    state = {"requestState": asked["requestState"]} if "requestState" in asked else {}
    return place.ask(method, {**params, "inputResponses": responses, **state}, 2, ABILITIES)


KINDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}


@pytest.mark.parametrize("name", ["elicit_form", "sample", "roots", "elicit_url", "elicit_defaults", "elicit_choices"])
def test_input_is_required_and_then_taken(place: Place, name: str) -> None:
    params = {"name": name, "arguments": {}}
    asked = required(place.ask("tools/call", params, capabilities=ABILITIES))
    ((key, question),) = asked["inputRequests"].items()
    schema = {"elicit_form": features.FORM, "elicit_defaults": offered.DEFAULTS, "elicit_choices": offered.CHOICES}
    if name in schema:
        assert question["params"]["requestedSchema"] == schema[name]
    answer = ANSWERS[KINDS[question["method"]]]
    given = answered(place, "tools/call", params, asked, {key: answer}).result["structuredContent"]
    assert given | answer == given


def test_each_answer_of_the_user_is_taken(place: Place) -> None:
    params = {"name": "elicit_form", "arguments": {}}
    for action in ("decline", "cancel"):
        asked = required(place.ask("tools/call", params, capabilities=ABILITIES))
        heard = answered(place, "tools/call", params, asked, {"k1": {"action": action}})
        assert heard.result["structuredContent"]["action"] == action


def test_several_things_are_asked_at_once(place: Place) -> None:
    params = {"name": "ask_three", "arguments": {}}
    asked = required(place.ask("tools/call", params, capabilities=ABILITIES))
    assert {key: question["method"] for key, question in asked["inputRequests"].items()} == {
        "name": "elicitation/create", "greeting": "sampling/createMessage", "places": "roots/list"
    }  # fmt: skip
    responses = {"name": ANSWERS["elicitation"], "greeting": ANSWERS["sampling"], "places": ANSWERS["roots"]}
    # What is missing is asked for again, and what nobody asked for is passed over.
    again = required(answered(place, "tools/call", params, asked, {"name": responses["name"], "more": {"roots": []}}))
    assert set(again["inputRequests"]) == {"greeting", "places"}
    given = answered(place, "tools/call", params, again, responses).result["structuredContent"]
    assert all(given[key] | answer == given[key] for key, answer in responses.items())


def test_answers_under_other_keys_are_asked_for_again(place: Place) -> None:
    params = {"name": "elicit_form", "arguments": {}, "inputResponses": {"wrong": ANSWERS["elicitation"]}}
    assert "k1" in required(place.ask("tools/call", params, capabilities=ABILITIES))["inputRequests"]


def test_one_thing_is_asked_after_the_other_and_the_state_goes_along(place: Place) -> None:
    params = {"name": "ask_twice", "arguments": {}}
    first = required(place.ask("tools/call", params, capabilities=ABILITIES))
    second = required(answered(place, "tools/call", params, first, {"first": ANSWERS["elicitation"]}))
    assert first["requestState"] != second["requestState"] and list(second["inputRequests"]) == ["second"]
    friend = {"action": "accept", "content": {"name": "Zoë"}}
    assert answered(place, "tools/call", params, second, {"second": friend}).text == "Ada and Zoë"


def test_a_state_that_was_tampered_with_is_refused(place: Place) -> None:
    params = {"name": "elicit_form", "arguments": {}}
    asked = required(place.ask("tools/call", params, capabilities=ABILITIES))
    asked["requestState"] += "x"
    assert answered(place, "tools/call", params, asked, {"k1": ANSWERS["elicitation"]}).error["code"] == -32602


def test_a_prompt_may_require_input_too(place: Place) -> None:
    params = {"name": "asking"}
    asked = required(place.ask("prompts/get", params, capabilities=ABILITIES))
    heard = answered(place, "prompts/get", params, asked, {"whom": ANSWERS["elicitation"]})
    assert heard.result["messages"][0]["content"]["text"] == "for Ada"


def test_a_stream_holds_no_request_of_the_server(place: Place) -> None:
    heard = place.call("step_and_ask", capabilities=ABILITIES, meta={"progressToken": 1})
    assert len(heard.of("notifications/progress")) == 1 and "k1" in required(heard)["inputRequests"]


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize("where", ["v1http", "v1stdio"])
def test_what_a_legacy_server_asks_beside_the_call_is_refused_at_once(
    place_of: Callable[[str], Place], where: str, method: str
) -> None:
    """A client of this era can't be asked there, so the server is told, and goes on."""
    place = place_of(where)
    for _ in range(2):
        heard = place.call("ask_aside", {"method": method}, capabilities=ABILITIES)
        assert heard.error["code"] == -32601 and method in heard.error["message"], heard
    assert place.call("echo", {"text": "still here"}).text == "still here"


# --- Subscriptions ---------------------------------------------------------------------------------------------------


class Listen:
    """One `subscriptions/listen`, read in a thread."""

    def __init__(self, place: Place, number: Any, **wanted: Any) -> None:
        self.number = number
        message = modern("subscriptions/listen", {"notifications": wanted}, number)
        body = json.dumps(message).encode()
        self.connection = Connection(place.port, timeout=30)
        self.connection.send(request("POST", place.path, dict(modern_headers(message)), body, port=place.port))
        self.head = self.connection.head()
        assert (self.head.status, self.head.kind) == (200, "text/event-stream"), self.head
        self.messages: list[dict[str, Any]] = []
        self.more = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        (acknowledged,) = self.wait("notifications/subscriptions/acknowledged")
        self.acknowledged = acknowledged["notifications"]
        assert self.messages[0]["method"] == "notifications/subscriptions/acknowledged"

    def read(self) -> None:
        try:
            for event in self.connection.stream():
                assert "id" not in event, "a stream of this era can't be resumed"
                with self.more:
                    self.messages.append(json.loads(event["data"]))
                    self.more.notify_all()
        except (OSError, ValueError):
            pass

    def wait(self, method: str, count: int = 1, seconds: float = 15) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            return [message["params"] for message in self.messages if message.get("method") == method]

        with self.more:
            self.more.wait_for(lambda: len(found()) >= count, seconds)
            return found()

    def close(self) -> list[str]:
        """Ends it; the methods of all that came, each of which carries its id."""
        self.connection.close()
        for message in self.messages:
            assert message["params"]["_meta"][PREFIX + "subscriptionId"] == self.number, message
        return [message["method"] for message in self.messages[1:]]


@pytest.fixture
def added(place: Place) -> Iterator[str]:
    """The name of a tool that a test adds."""
    name = f"late_{time.monotonic_ns()}"
    yield name
    place.call("remove_tool", {"name": name})
    assert eventually(lambda: place.ask("tools/list").result["tools"] == offered.Everything.own_tools)


def test_a_list_change_comes_to_who_wants_it_and_the_list_has_it(place: Place, added: str) -> None:
    listens = [Listen(place, "wide", toolsListChanged=True, promptsListChanged=True), Listen(place, 7, toolsListChanged=True)]
    narrow = Listen(place, "narrow", promptsListChanged=True, resourcesListChanged=True)
    assert listens[0].acknowledged == {"toolsListChanged": True, "promptsListChanged": True}
    place.call("add_tool", {"name": added})
    for listen in listens:
        assert listen.wait("notifications/tools/list_changed")
    assert added in [tool["name"] for tool in place.ask("tools/list").result["tools"]]
    assert place.call(added).text == f"called {added}"
    assert set(listens[0].close()) == set(listens[1].close()) == {"notifications/tools/list_changed"}
    assert narrow.close() == []


def test_a_resource_that_changes_is_told_to_who_named_it(place: Place) -> None:
    mine, other = Listen(place, 1, resourceSubscriptions=["ref://clock"]), Listen(place, 2, toolsListChanged=True)
    assert mine.acknowledged == {"resourceSubscriptions": ["ref://clock"]}
    place.call("touch")
    (updated,) = mine.wait("notifications/resources/updated")
    assert updated["uri"] == "ref://clock"
    assert mine.close() == ["notifications/resources/updated"] and other.close() == []


# --- Cancelling ------------------------------------------------------------------------------------------------------


def test_closing_the_stream_cancels_and_hurts_nobody(place: Place) -> None:
    tag = f"{place.port}{place.path}{time.monotonic_ns()}"

    def journal(name: str) -> bool:
        return tag in place.call("journal").result["structuredContent"][name]

    params = {"name": "sleep", "arguments": {"seconds": 30, "tag": tag}}
    message = modern("tools/call", params, 1, envelope(progressToken=1))
    body = json.dumps(message).encode()
    for _ in range(5):
        with Connection(place.port, timeout=20) as connection:
            connection.send(request("POST", place.path, dict(modern_headers(message)), body, port=place.port))
            assert connection.head().kind == "text/event-stream"
            assert next(connection.stream())
    assert eventually(lambda: journal("cancelled"))
    assert place.call("echo", {"text": "still here"}).text == "still here"


# --- The gateway as a client -----------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[ModernServer]:
    server = ModernServer()
    yield server
    server.close()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_each_request_says_the_same_of_the_client(make_gateway: Callable[..., Any], server: ModernServer, era: str) -> None:
    gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}}, workers=3)
    place = Place(gateway.port, "/mcp/own", through=True)
    session = place.session() if era == "legacy" else None
    for _ in range(4):
        if session:
            assert "result" in session.call("paint").message
        else:
            assert "painted" in place.call("paint").text
    for headers, message in server.calls:
        meta = message["params"]["_meta"]
        assert headers["mcp-protocol-version"] == meta[PREFIX + "protocolVersion"] == MODERN
        assert (headers["mcp-method"], headers["mcp-name"]) == ("tools/call", "paint")
        assert meta[PREFIX + "clientInfo"]["name"] and isinstance(meta[PREFIX + "clientCapabilities"], dict)
        assert "mcp-session-id" not in headers and {"application/json", "text/event-stream"} <= {
            kind.strip() for kind in headers["accept"].split(",")
        }
    assert len({message["id"] for _, message in server.calls}) == len(server.calls) == 4


def test_a_retry_has_another_id_the_same_params_and_the_state_as_it_was(
    make_gateway: Callable[..., Any], server: ModernServer
) -> None:
    question = {"method": "elicitation/create", "params": {"message": "Which?", "requestedSchema": offered.DEFAULTS}}
    states: list[Any] = ["ünlike \U0001f375 \\ \"", None]

    def on_call(message: dict[str, Any]) -> dict[str, Any] | None:
        if "inputResponses" in message["params"]:
            return None
        state = states[len(server.calls) // 2 % 2]
        asked: dict[str, Any] = {"resultType": "input_required", "inputRequests": {"q": question}}
        return asked if state is None else {**asked, "requestState": state}

    server.on_call = on_call
    gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}})
    place = Place(gateway.port, "/mcp/own", through=True)
    for state in states:
        params = {"name": "paint", "arguments": {"a": 1.10}}
        asked = required(place.ask("tools/call", params, capabilities=ABILITIES))
        assert asked.get("requestState") == state and ("requestState" in asked) == (state is not None)
        assert answered(place, "tools/call", params, asked, {"q": ANSWERS["elicitation"]}).text
        (_, first), (_, second) = server.calls[-2:]
        assert first["id"] != second["id"] and first["params"]["arguments"] == second["params"]["arguments"]
        assert second["params"]["inputResponses"] == {"q": ANSWERS["elicitation"]}
        assert second["params"].get("requestState") == state and "inputResponses" not in first["params"]


def test_members_that_a_result_lacks_are_read_as_the_least(
    make_gateway: Callable[..., Any], server: ModernServer
) -> None:
    """No `resultType` is a complete result, no `ttlMs` one that is stale at once; nothing is fetched for a `$ref`."""
    fetched: list[str] = []
    schema = {"type": "object", "properties": {"a": {"$ref": f"{server.url}/schema"}}}
    server.tools = [{"name": "paint", "inputSchema": schema}]
    whole = server.result

    def bare(message: dict[str, Any]) -> dict[str, Any] | None:
        result = whole(message)
        lacking = {"resultType", "ttlMs", "cacheScope"}
        return result and {name: value for name, value in result.items() if name not in lacking}

    server.result = bare  # type: ignore[method-assign]
    kept = server.http.RequestHandlerClass

    class Handler(kept):  # type: ignore[misc,valid-type]
        def do_GET(self) -> None:
            fetched.append(self.path)
            super().do_GET()

    server.http.RequestHandlerClass = Handler
    gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}})
    place = Place(gateway.port, "/mcp/own", through=True)
    listed = place.ask("tools/list").result
    assert listed["tools"][0]["inputSchema"] == schema
    assert (listed["resultType"], listed["ttlMs"]) == ("complete", 0)
    called = place.call("paint").result
    assert called["resultType"] == "complete" and called["content"]
    assert not [path for path in fetched if "schema" in path]


@pytest.mark.parametrize("invalid", ["", "with blank", "é", "two:parts"])
def test_tools_that_can_not_be_mirrored_are_left_out(
    make_gateway: Callable[..., Any], server: ModernServer, invalid: str
) -> None:
    server.tools = [tool("good", a="Region"), tool("bad", a=invalid)]
    gateway = make_gateway(settings={"servers": {"own": {"url": server.url, "type": "http"}}})
    place = Place(gateway.port, "/mcp/own", through=True)
    assert [entry["name"] for entry in place.ask("tools/list").result["tools"]] == ["good"]
