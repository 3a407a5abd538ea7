"""Lists that are as fresh as the servers': what a server said had changed before its answer is in the next list, and what it
lets clients keep is kept for as long as it says and no longer: MCP 2026-07-28, Subscriptions and Caching."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from harness import growing
from harness.gateway import Gateway
from harness.growing import Growing, GrowingHTTP
from harness.processes import eventually
from harness.sockets import SocketUpstream
from harness.wire import Closed, Connection, LegacySession, modern, modern_headers, post_modern, request, rpc

Make = Callable[..., Gateway]
CHANGED = "notifications/resources/list_changed"


class Client:
    """A client of either era, which can also listen."""

    def __init__(self, era: str, port: int, path: str = "/mcp") -> None:
        self.era, self.port, self.path = era, port, path
        self.session = LegacySession(port, path=path) if era == "legacy" else None

    def ask(self, method: str, params: dict[str, Any] | None = None, timeout: float = 30) -> Any:
        if self.session:
            return self.session.post(rpc(method, params), timeout=timeout).message
        return post_modern(self.port, modern(method, params), path=self.path, timeout=timeout).message

    def grow(self, **arguments: Any) -> Any:
        answer = self.ask("tools/call", {"name": "grow", "arguments": arguments})
        assert "result" in answer, answer
        return answer["result"]["content"][0]["text"]

    def list(self, kind: str = "resources", **params: Any) -> Any:
        answer = self.ask(f"{kind}/list", params or None)
        assert "result" in answer, answer
        return answer["result"]

    def resources(self) -> list[str]:
        return [entry["uri"] for entry in self.list()["resources"]]

    def listen(self) -> tuple[Connection, Iterator[Any]]:
        if self.session:
            connection, head = self.session.listen(timeout=30)
            assert head.status == 200
        else:
            message = modern("subscriptions/listen", {"notifications": {"resourcesListChanged": True}})
            connection = Connection(self.port, timeout=30)
            body = json.dumps(message).encode()
            connection.send(request("POST", self.path, dict(modern_headers(message)), body, port=self.port))
            assert connection.head().status == 200
        messages = (json.loads(event["data"]) for event in connection.stream() if event.get("data"))
        if not self.session:
            assert next(messages)["method"] == "notifications/subscriptions/acknowledged"
        return connection, messages


def stdio(era: str, declares: bool, lifetime: int) -> dict[str, Any]:
    arguments = [era, "--lifetime", str(lifetime), *([] if declares else ["--silent"])]
    return {"command": sys.executable, "args": [str(Path(growing.__file__)), *arguments]}


@pytest.fixture
def serve() -> Iterator[Callable[..., dict[str, Any]]]:
    """A growing server, as an entry of the configuration."""
    with ExitStack() as stack:

        def made(era: str, transport: str, declares: bool = True, lifetime: int = 0, streams: str = "all") -> Any:
            if transport == "stdio":
                return stdio(era, declares, lifetime)
            if transport == "ws":
                socket = stack.enter_context(SocketUpstream(Growing(era, declares, lifetime).pipe))
                return {"url": socket.url, "type": "ws"}
            server = GrowingHTTP(era, declares, lifetime, streams)
            stack.callback(server.close)
            return server.entry

        yield made


@pytest.fixture
def http() -> Iterator[Callable[..., GrowingHTTP]]:
    servers: list[GrowingHTTP] = []

    def made(*arguments: Any, **options: Any) -> GrowingHTTP:
        servers.append(GrowingHTTP(*arguments, **options))
        return servers[-1]

    yield made
    for server in servers:
        for gate in server.gates.values():
            gate.set()
        server.close()


def gateway_to(make_gateway: Make, servers: dict[str, Any], workers: int = 3, **settings: Any) -> Gateway:
    gateway = make_gateway(settings={"servers": servers, **settings}, workers=workers)
    gateway.wait_for(*servers)
    return gateway


# --- a change, and the next list -------------------------------------------------------------------------------------

ROUNDS = 12


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("transport", ["stdio", "http", "ws"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_what_was_told_before_the_answer_is_in_the_next_list(
    make_gateway: Make, serve: Callable[..., Any], era: str, transport: str, workers: int
) -> None:
    """Of a modern server that lets its lists be kept: only what it tells can make them stale."""
    port = gateway_to(make_gateway, {"own": serve(era, transport, lifetime=600_000)}, workers).port
    for client in (Client("legacy", port), Client("modern", port)):
        client.grow(says="before")
        for number in range(ROUNDS):
            added = client.grow(says="before")
            assert added in client.resources(), (client.era, number)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("transport", ["stdio", "http", "ws"])
def test_a_legacy_server_tells_though_it_did_not_declare_it(
    make_gateway: Make, serve: Callable[..., Any], transport: str, workers: int
) -> None:
    port = gateway_to(make_gateway, {"own": serve("legacy", transport, declares=False)}, workers).port
    for client in (Client("legacy", port), Client("modern", port)):
        client.grow(says="before")
        for number in range(ROUNDS):
            added = client.grow(says="before")
            assert added in client.resources(), (client.era, number)


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "undeclared"])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("transport", ["stdio", "http", "ws"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_what_is_told_after_the_answer_is_in_the_list_after_that(
    make_gateway: Make, serve: Callable[..., Any], era: str, transport: str, workers: int, declares: bool
) -> None:
    if era == "modern" and not declares:
        declares = True  # it may not tell: what it does instead is the next test
    entry = serve(era, transport, declares=declares, lifetime=600_000)
    port = gateway_to(make_gateway, {"own": entry}, workers).port
    for client in (Client("legacy", port), Client("modern", port)):
        connection, told = client.listen()
        with connection:
            for _ in range(3):
                added = client.grow(says="after")
                while added not in client.resources():
                    assert next(told)["method"] == CHANGED


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "undeclared"])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("transport", ["stdio", "http", "ws"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_what_may_not_be_kept_is_asked_for_each_time(
    make_gateway: Make, serve: Callable[..., Any], era: str, transport: str, workers: int, declares: bool
) -> None:
    if era == "legacy" and declares:
        declares = False  # from one that declares it that would be a broken promise
    port = gateway_to(make_gateway, {"own": serve(era, transport, declares=declares)}, workers, list_ttl="0s").port
    for client in (Client("legacy", port), Client("modern", port)):
        for number in range(ROUNDS):
            added = client.grow()
            assert added in client.resources(), (client.era, number)


@pytest.mark.parametrize("where", ["", "own"], ids=["for-all", "for-one"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_change_in_a_clients_own_conversation_is_in_its_next_list(
    make_gateway: Make, http: Callable[..., GrowingHTTP], workers: int, where: str
) -> None:
    """It is told on the stream of that session alone, as servers do that keep track of sessions."""
    server = http("legacy", streams="own")
    port = gateway_to(make_gateway, {"own": server.entry}, workers).port
    mine, other = Client("legacy", port), Client("legacy", port)
    other.grow()
    for number in range(ROUNDS):
        added = mine.grow(says="before", where=where)
        assert added in mine.resources(), number
        if where == "own":
            assert added not in other.resources()


def test_a_list_that_one_client_sees_differently_grows_old_as_well(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    server = http("legacy", declares=False, streams="own")
    port = gateway_to(make_gateway, {"own": server.entry}, list_ttl="100ms").port
    client = Client("legacy", port)
    assert client.grow(says="before", where="own") in client.resources()
    added = client.grow(where="own")
    assert eventually(lambda: added in client.resources())


# --- what may be kept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["legacy", "modern"])
def test_a_list_is_kept_as_long_as_its_server_says(
    make_gateway: Make, http: Callable[..., GrowingHTTP], client: str
) -> None:
    server = http("modern", declares=False, lifetime=600_000)
    port = gateway_to(make_gateway, {"own": server.entry}).port
    asked = server.count("resources")
    reader = Client(client, port)
    lists = [reader.list() for _ in range(20)]
    assert server.count("resources") == asked, "it said that they may be kept"
    if client == "modern":
        times = [result["ttlMs"] for result in lists]
        assert times == sorted(times, reverse=True) and 0 < times[-1] <= times[0] <= 600_000
        assert {result["cacheScope"] for result in lists} == {"private"}


@pytest.mark.parametrize("client", ["legacy", "modern"])
def test_a_list_that_is_too_old_is_asked_for_when_somebody_asks(
    make_gateway: Make, http: Callable[..., GrowingHTTP], client: str
) -> None:
    server = http("modern", declares=False, lifetime=300)
    gateway = gateway_to(make_gateway, {"own": server.entry})
    reader = Client(client, gateway.port)
    for _ in range(3):
        asked = server.count("resources")
        time.sleep(0.6)
        assert server.count("resources") == asked, "nobody asked"
        added = server.grow()
        result = reader.list()
        assert added in [entry["uri"] for entry in result["resources"]]
        assert server.count("resources") == asked + 1
        if client == "modern":
            assert 0 <= result["ttlMs"] <= 300


def test_a_list_of_a_legacy_server_is_asked_for_again_after_list_ttl(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    short, long = http("legacy", declares=False), http("legacy", declares=False)
    first = Client("legacy", gateway_to(make_gateway, {"own": short.entry}, list_ttl="200ms").port)
    second = Client("legacy", gateway_to(make_gateway, {"own": long.entry}).port)
    added = short.grow()
    assert eventually(lambda: added in first.resources())
    asked = short.count("resources")
    time.sleep(0.5)
    assert short.count("resources") == asked, "nobody asked"
    asked = long.count("resources")
    long.grow()
    assert all(second.resources() == ["ref://0"] for _ in range(10)), "60 s are not over"
    assert long.count("resources") == asked


def test_a_legacy_server_without_a_stream_is_asked_for_again_though_it_declares_that_it_tells(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    server = http("legacy", streams="none")
    client = Client("legacy", gateway_to(make_gateway, {"own": server.entry}, list_ttl="200ms").port)
    added = server.grow()
    assert eventually(lambda: added in client.resources())


def test_what_a_legacy_server_would_tell_is_not_asked_for(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    server = http("legacy")
    client = Client("legacy", gateway_to(make_gateway, {"own": server.entry}, list_ttl="0s").port)
    asked = server.count("resources")
    for _ in range(10):
        assert client.resources() == ["ref://0"]
    assert server.count("resources") == asked


@pytest.mark.parametrize(
    ("lifetimes", "eras", "most"),
    [((600_000, 5000), "mm", 5000), ((600_000, 0), "mm", 0), ((600_000, 600_000), "ml", 0)],
    ids=["the shortest counts", "one may not be kept", "one says nothing of it"],
)
def test_a_merged_list_is_kept_no_longer_than_any_part_of_it(
    make_gateway: Make, http: Callable[..., GrowingHTTP], lifetimes: tuple[int, int], eras: str, most: int
) -> None:
    named = {"m": "modern", "l": "legacy"}
    servers = [http(named[era], lifetime=lifetime) for era, lifetime in zip(eras, lifetimes, strict=True)]
    port = gateway_to(make_gateway, {"a": servers[0].entry, "b": servers[1].entry}).port
    for kind in ("tools", "resources", "prompts"):
        told = Client("modern", port).list(kind)["ttlMs"]
        assert told <= most and (told > 0) == (most > 0), kind
        assert Client("modern", port, "/mcp/a").list(kind)["ttlMs"] > most


def test_a_server_that_is_down_is_not_waited_for_and_its_list_is_not_to_be_kept(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    mortal, other = http("modern", declares=False, lifetime=600_000), http("modern", lifetime=600_000)
    port = gateway_to(make_gateway, {"mortal": mortal.entry, "other": other.entry}).port
    client = Client("modern", port)
    assert client.list()["ttlMs"] > 0
    mortal.close()
    client.ask("tools/call", {"name": "mortal__grow", "arguments": {}})
    assert eventually(lambda: client.list()["ttlMs"] == 0)
    assert len(client.resources()) == 2, "what it listed stays listed"


# --- who waits, and for what -----------------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[], Any]) -> tuple[list[threading.Thread], list[Any]]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(work()), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, found


@pytest.mark.parametrize("client", ["legacy", "modern"])
def test_all_who_ask_meanwhile_share_one_fetch(
    make_gateway: Make, http: Callable[..., GrowingHTTP], client: str
) -> None:
    server = http("modern")
    port = gateway_to(make_gateway, {"own": server.entry}).port
    clients = [Client(client, port) for _ in range(12)]
    gate = server.gates["resources/list"] = threading.Event()
    asked = server.count("resources")
    waiting = iter(clients)
    threads, found = in_threads(len(clients), lambda: next(waiting).resources())
    assert eventually(lambda: server.count("resources") > asked)
    time.sleep(0.5)
    added = server.grow()
    gate.set()
    for thread in threads:
        thread.join(20)
    assert len(found) == len(clients) and server.count("resources") <= asked + 3
    assert sum(added in uris for uris in found) >= len(clients) - 1, "who asked later may not get what is older"


def test_a_slow_server_holds_up_nobody_for_long_and_nobody_else_at_all(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    slow, quick = http("modern"), http("modern")
    port = gateway_to(make_gateway, {"slow": slow.entry, "quick": quick.entry}).port
    gate = slow.gates["resources/list"] = threading.Event()
    threads, found = in_threads(4, lambda: Client("modern", port).list())
    assert eventually(lambda: slow.count("resources") > 1)
    # The other one, and other lists of the same, are answered before those that wait.
    for path, kind in [("/mcp/quick", "resources"), ("/mcp", "tools"), ("/mcp/slow", "prompts")]:
        assert Client("modern", port, path).list(kind)
    assert not found, "they wait"
    for thread in threads:
        thread.join(20)
    assert [len(result["resources"]) for result in found] == [2] * 4 and all(r["ttlMs"] == 0 for r in found)
    # As long as it takes nobody waits for it again.
    asked = slow.count("resources")
    added = quick.grow()
    assert any(added in entry["uri"] for entry in Client("modern", port).list()["resources"])
    assert slow.count("resources") == asked
    gate.set()


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_list_that_cannot_be_had_stays_as_it_was(
    make_gateway: Make, http: Callable[..., GrowingHTTP], era: str
) -> None:
    server = http(era, lifetime=0)
    gateway = gateway_to(make_gateway, {"own": server.entry})
    client = Client("modern", gateway.port)
    before = client.resources()
    server.faults["resources/list"] = {"code": -32603, "message": "out of order"}
    added = client.grow(says="before")
    assert client.resources() == before
    assert client.list()["ttlMs"] == 0
    assert gateway.says("out of order") and "not available" not in gateway.log
    assert client.grow(), "its calls go on"
    server.faults.clear()
    assert eventually(lambda: added in client.resources())


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["legacy", "modern"])
def test_a_listing_goes_on_while_lists_are_asked_for_each_time(
    make_gateway: Make, http: Callable[..., GrowingHTTP], client: str
) -> None:
    server = http("modern")
    for _ in range(9):
        server.grow()
    limits = {"page_entries": 3}
    port = gateway_to(make_gateway, {"own": server.entry}, limits=limits).port
    reader, other = Client(client, port), Client(client, port)
    page = reader.list()
    uris = [entry["uri"] for entry in page["resources"]]
    asked = server.count("resources")
    while "nextCursor" in page:
        page = reader.list(cursor=page["nextCursor"])
        uris += [entry["uri"] for entry in page["resources"]]
    assert uris == server.resources
    assert server.count("resources") == asked, "only the first page asks"
    # That others ask is nothing to it as long as the list is the same, and neither is a change of another list.
    page = reader.list()
    other.list()
    server.result = with_tool(server.result)  # type: ignore[method-assign]
    assert len(other.list("tools")["tools"]) == 2
    page = reader.list(cursor=page["nextCursor"])
    assert page["resources"]
    # In another list it would go wrong without anybody noticing.
    server.grow()
    other.list()
    error = reader.ask("resources/list", {"cursor": page["nextCursor"]})["error"]
    assert error["code"] == -32602 and "start again" in error["message"]


def with_tool(result: Callable[..., Any]) -> Callable[..., Any]:
    def more(message: dict[str, Any], session: str = "") -> Any:
        found = result(message, session)
        if message["method"] == "tools/list":
            found["tools"].append({"name": "shrink", "inputSchema": {"type": "object"}})
        return found

    return more


# --- telling ---------------------------------------------------------------------------------------------------------


MARK = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "mark"}}


def until_mark(told: Iterator[Any]) -> list[str]:
    """What a client hears before something that is said now."""
    return [message["method"] for message in iter(lambda: next(told), MARK)]


@pytest.mark.parametrize("client", ["legacy", "modern"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_change_that_makes_no_difference_is_passed_on_after_the_list_was_fetched(
    make_gateway: Make, http: Callable[..., GrowingHTTP], era: str, client: str
) -> None:
    server = http(era, lifetime=600_000)
    port = gateway_to(make_gateway, {"own": server.entry}).port
    connection, told = Client(client, port).listen()
    with connection:
        for _ in range(2):
            asked = server.count("resources")
            server.say(growing.CHANGED)
            assert next(told)["method"] == CHANGED
            assert server.count("resources") > asked


def test_what_one_clients_conversation_says_that_client_hears_alone(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    server = http("legacy", streams="own")
    port = gateway_to(make_gateway, {"own": server.entry}).port
    mine, other = Client("legacy", port), Client("legacy", port)
    mine.grow(grows=False)
    other.grow(grows=False)
    assert eventually(lambda: set(server.called) <= {session for session, _, _ in server.handlers})
    connection, told = mine.listen()
    quiet, heard = other.listen()
    with connection, quiet:
        # Nothing is different, but it was said.
        mine.grow(grows=False, says="before")
        assert next(told)["method"] == CHANGED
        server.say(MARK, server.called[1])
        assert until_mark(heard) == []
        # A difference is everybody's.
        added = mine.grow(says="before")
        assert next(told)["method"] == CHANGED and next(heard)["method"] == CHANGED
        assert added in other.resources()


def test_a_change_that_every_conversation_tells_of_is_told_once(
    make_gateway: Make, http: Callable[..., GrowingHTTP]
) -> None:
    server = http("legacy")
    port = gateway_to(make_gateway, {"own": server.entry}).port
    clients = [Client("legacy", port) for _ in range(3)]
    with ExitStack() as stack:
        for client in clients:
            client.grow(grows=False)
        assert eventually(lambda: set(server.called) <= {session for session, _, _ in server.handlers})
        tellings = [client.listen() for client in clients]
        for connection, _ in tellings:
            stack.enter_context(connection)
        looks = len([session for kind, session in server.asked if session in server.called])
        added = clients[0].grow(says="before")
        for _, told in tellings:
            assert next(told)["method"] == CHANGED
        # Each client's own conversation has been looked at, and brought nothing that is new to it.
        assert eventually(lambda: len([s for _, s in list(server.asked) if s in server.called]) >= looks + 6)
        assert all(added in client.resources() for client in clients)
        server.say(MARK)
        for _, told in tellings:
            assert set(until_mark(told)) <= {"notifications/message"}


def test_a_swarm_of_changes_is_collapsed_and_nothing_is_lost(make_gateway: Make, serve: Callable[..., Any]) -> None:
    port = gateway_to(make_gateway, {"own": serve("legacy", "stdio")}).port
    client = Client("legacy", port)
    connection, told = client.listen()
    with connection:
        client.grow(storm=900)
        while len(client.resources()) < 902:
            assert next(told)["method"] == CHANGED
    # That of the client, which lists whenever it is told, and that of the gateway itself.
    answer = client.ask("tools/call", {"name": "grow", "arguments": {}})
    assert answer["result"]["structuredContent"]["resources"] < 120


@pytest.mark.parametrize("lists", [False, True], ids=["nobody asks", "a client lists whenever it is told"])
def test_a_server_that_tells_of_a_change_whenever_it_is_listed_is_asked_less_and_less(
    make_gateway: Make, http: Callable[..., GrowingHTTP], lists: bool
) -> None:
    server = http("legacy")
    port = gateway_to(make_gateway, {"own": server.entry}).port
    client = Client("legacy", port)
    connection, told = client.listen()
    server.says_at_list = [growing.CHANGED]
    with connection:
        asked = server.count("resources")
        server.say(growing.CHANGED)
        if lists:

            def follow() -> None:
                with suppress(OSError, Closed):
                    for _ in told:
                        client.resources()

            threading.Thread(target=follow, daemon=True).start()
        time.sleep(5)
        assert 2 <= server.count("resources") - asked <= 40
        # It is no reason to be late with what changed, for who asks.
        server.says_at_list = []
        added = client.grow(says="before")
        assert added in client.resources()
