"""Several upstreams behind one endpoint, dead ones among them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import features
import pytest

from harness.client import Driver, text_of
from harness.conversation import CLIENTS
from harness.gateway import Gateway
from harness.processes import eventually, free_port, listens
from harness.upstreams import HTTPUpstream, reference_command, stdio_entry, wire_command
from harness.wire import LegacySession, modern, post_modern, rpc

Drivers = Callable[[str], Driver]
clients = pytest.mark.parametrize(("sdk", "mode"), CLIENTS, ids=lambda value: str(value))
workers_1_and_3 = pytest.mark.parametrize("workers", [1, 3], ids=["1worker", "3workers"])
TOOL_NAMES = [tool["name"] for tool in features.TOOLS]


@pytest.fixture
def two(references: dict[str, HTTPUpstream]) -> dict[str, Any]:
    """A modern server and a legacy one."""
    return {"alpha": references["v2http"].entry(), "beta": stdio_entry(reference_command("v1"))}


@clients
@workers_1_and_3
def test_two_upstreams_are_one_catalogue(
    make_gateway: Callable[..., Gateway], drivers: Drivers, two: dict[str, Any], sdk: str, mode: str, workers: int
) -> None:
    gateway = make_gateway(two, workers=workers)
    gateway.wait_for(*two)
    trace = drivers(sdk).run(
        gateway.url,
        "lists",
        ("alpha=call", {"name": "alpha__add", "arguments": {"a": 1, "b": 2}}),
        ("beta=call", {"name": "beta__add", "arguments": {"a": 3, "b": 4}}),
        ("prompt_alpha=prompt", {"name": "alpha__plain"}),
        ("prompt_beta=prompt", {"name": "beta__haiku", "arguments": {"topic": "rain"}}),
        ("complete", {"ref": {"type": "ref/prompt", "name": "beta__haiku"}, "argument": "topic", "value": "tel"}),
        ("read", {"uri": "ref://notes/welcome"}),
        ("unprefixed=call", {"name": "add", "arguments": {"a": 1, "b": 2}}),
        ("progress", {"name": "beta__slow"}),
        (
            "list_change",
            {
                "name": f"joined_{sdk}_{mode}_{workers}".replace("-", ""),
                "add": "alpha__add_tool",
                "remove": "alpha__remove_tool",
                "prefix": "alpha__",
            },
        ),
        mode=mode,
    )
    found = trace.value("lists")
    assert [tool["name"] for tool in found["tools"]["entries"]] == [
        f"{alias}__{name}" for alias in ("alpha", "beta") for name in TOOL_NAMES
    ]
    for tool in found["tools"]["entries"]:
        original = next(entry for entry in features.TOOLS if entry["name"] == tool["name"].partition("__")[2])
        assert {**tool, "name": original["name"]} == original
    prompts = [prompt["name"] for prompt in found["prompts"]["entries"]]
    assert prompts == ["alpha__haiku", "alpha__plain", "beta__haiku", "beta__plain"]
    uris = [resource["uri"] for resource in found["resources"]["entries"]]
    own = [resource["uri"] for resource in features.RESOURCES]
    assert uris[:3] == own and len(set(uris)) == 6, uris
    assert all("sluice-server=beta" in uri for uri in uris[3:]), uris
    assert text_of(trace.value("alpha")["result"]) == "3"
    assert text_of(trace.value("beta")["result"]) == "7"
    assert trace.value("prompt_alpha")["messages"][0]["content"]["text"] == "Say hello."
    assert trace.value("prompt_beta")["messages"][0]["content"]["text"] == "A haiku about rain, calm"
    assert trace.value("complete")["completion"]["values"] == ["telescope"]
    assert trace.value("read")["contents"][0]["uri"] == "ref://notes/welcome"
    assert trace.error("unprefixed")["code"] == -32602
    assert [report[0] for report in trace.value("progress")["reports"]] == [1, 2, 3]
    assert trace.value("list_change")["listed"] == [False, True, False]
    assert trace.value("list_change")["told"]


def test_the_loser_of_a_uri_is_read_by_its_listed_name(
    make_gateway: Callable[..., Gateway], two: dict[str, Any]
) -> None:
    gateway = make_gateway(two, workers=2)
    gateway.wait_for(*two)
    session = LegacySession(gateway.port)
    listed = session.post(rpc("resources/list")).message["result"]["resources"]
    loser = next(entry["uri"] for entry in listed if "sluice-server=beta" in entry["uri"] and "welcome" in entry["uri"])
    contents = session.post(rpc("resources/read", {"uri": loser})).message["result"]["contents"][0]
    assert contents["text"].startswith("Welcome")
    assert contents["uri"] == loser, "its results speak of it by the name that was asked for"


@clients
def test_one_upstream_keeps_its_names(
    make_gateway: Callable[..., Gateway], drivers: Drivers, references: dict[str, HTTPUpstream], sdk: str, mode: str
) -> None:
    gateway = make_gateway({"only": references["v1http"].entry()}, workers=2)
    for url in (gateway.url, gateway.alias_url("only")):
        trace = drivers(sdk).run(url, "tools", ("call", {"name": "add", "arguments": {"a": 1, "b": 1}}), mode=mode)
        assert trace.value("tools")["names"] == TOOL_NAMES
        assert text_of(trace.value("call")["result"]) == "2"


def test_prefixes_can_be_forced(make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream]) -> None:
    gateway = make_gateway(settings={"prefix": "always", "servers": {"only": {"url": references["v2http"].url}}})
    session = LegacySession(gateway.port)
    names = [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]]
    assert names == [f"only__{name}" for name in TOOL_NAMES]
    assert session.call("only__echo", {"text": "x"}).message["result"]["content"][0]["text"] == "x"


def test_an_era_can_be_pinned(make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream]) -> None:
    """The same server, spoken to in either era: what it asks a legacy client tells which."""
    servers = {alias: {"url": references["v2http"].url, "era": alias} for alias in ("legacy", "modern")}
    gateway = make_gateway(settings={"servers": servers})
    asked = {}
    for alias in servers:
        session = LegacySession(gateway.port, path=f"/mcp/{alias}", capabilities={"roots": {}})
        assert session.call("echo", {"text": alias}).message["result"]["content"][0]["text"] == alias
        with_level = session.call("log", {"text": "x"}).messages()
        asked[alias] = [message["params"]["level"] for message in with_level if "method" in message]
    # A legacy server logs unasked, a modern one only for requests that carry a level.
    assert "error" in asked["legacy"]
    result = post_modern(gateway.port, modern("tools/call", {"name": "elicit_form"}), path="/mcp/modern")
    assert result.code == -32021


# --- dead ones among them --------------------------------------------------------------------------------------------


def silent_port() -> socket.socket:
    """A port where connections are taken and nothing is ever said."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    return listener


@clients
@workers_1_and_3
def test_dead_upstreams_delay_nobody(
    make_gateway: Callable[..., Gateway],
    drivers: Drivers,
    references: dict[str, HTTPUpstream],
    sdk: str,
    mode: str,
    workers: int,
) -> None:
    with silent_port() as listener:
        servers = {
            "alive": references["v2http"].entry(),
            "nocommand": {"command": "/no/such/command", "args": []},
            "ends": {"command": "/bin/false", "args": []},
            "noport": {"type": "http", "url": f"http://127.0.0.1:{free_port()}/mcp"},
            "silent": {"type": "http", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"},
        }
        gateway = make_gateway(servers, workers=workers)
        started = time.monotonic()
        dead = [alias for alias in servers if alias != "alive"]
        trace = drivers(sdk).run(
            gateway.url,
            "tools",
            ("again=tools", {}),
            ("alive=call", {"name": "alive__echo", "arguments": {"text": "x"}}),
            *[(f"{alias}=ask", {"name": f"{alias}__echo", "arguments": {"text": "x"}}) for alias in dead],
            mode=mode,
        )
        assert time.monotonic() - started < 12
        assert trace.value("again")["names"] == [f"alive__{name}" for name in TOOL_NAMES]
        assert text_of(trace.value("alive")["result"]) == "x"
        for alias in dead:
            found = trace.value(alias)
            assert found["seconds"] < 2, f"a call to {alias} took {found['seconds']:.1f} s"
            error = found["error"]
            assert alias in f"{error['message']} {error['data']}", error


def test_the_first_list_waits_three_seconds_at_most(
    make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream]
) -> None:
    with silent_port() as listener:
        servers = {
            "alive": references["v1http"].entry(),
            "silent": {"type": "http", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"},
        }
        gateway = make_gateway(servers)
        session = LegacySession(gateway.port)
        started = time.monotonic()
        names = [tool["name"] for tool in session.post(rpc("tools/list"), timeout=15).message["result"]["tools"]]
        assert time.monotonic() - started < 4
        assert names and all(name.startswith("alive__") for name in names)
        started = time.monotonic()
        session.post(rpc("tools/list"))
        assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("era", ["legacy", "auto"])
def test_an_upstream_that_starts_late_joins_by_itself(
    make_gateway: Callable[..., Gateway],
    make_upstream: Callable[..., HTTPUpstream],
    drivers: Drivers,
    references: dict[str, HTTPUpstream],
    era: str,
) -> None:
    late = make_upstream(reference_command("v1"), name="late", started=False)
    gateway = make_gateway({"alive": references["v2http"].entry(), "late": late.entry()}, workers=2)
    driver = drivers("v2")
    before = driver.run(gateway.url, "tools", ("ask", {"name": "late__echo", "arguments": {"text": "x"}}), mode=era)
    assert not [name for name in before.value("tools")["names"] if name.startswith("late__")]
    assert "late" in json.dumps(before.value("ask")["error"])
    box = driver.start(
        gateway.url,
        ("until_listed", {"name": "late__echo"}),
        ("call", {"name": "late__echo", "arguments": {"text": "here"}}),
        mode=era,
        timeout=40,
    )
    late.start()
    after = driver.finish(box)
    assert after["until_listed"]["value"]["names"], "it never joined"
    assert text_of(after["call"]["value"]["result"]) == "here"


def test_a_client_is_told_when_an_upstream_joins(
    make_gateway: Callable[..., Gateway],
    make_upstream: Callable[..., HTTPUpstream],
    references: dict[str, HTTPUpstream],
) -> None:
    late = make_upstream(reference_command("v1"), name="late", started=False)
    gateway = make_gateway({"alive": references["v2http"].entry(), "late": late.entry()}, workers=3)
    session = LegacySession(gateway.port)
    connection, head = session.listen(timeout=30)
    with connection:
        assert head.status == 200
        session.post(rpc("tools/list"))
        late.start()
        for event in connection.stream():
            if event.get("data") and json.loads(event["data"])["method"] == "notifications/tools/list_changed":
                break
        names = [tool["name"] for tool in session.post(rpc("tools/list")).message["result"]["tools"]]
        assert "late__echo" in names


@pytest.mark.parametrize(("generation", "transport"), [("v1", "http"), ("v2", "http"), ("v1", "sse")], ids=str)
@pytest.mark.parametrize(("sdk", "mode"), [("v2", "auto"), ("v1", "legacy")], ids=str)
def test_an_upstream_killed_and_started_again_returns(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream], drivers: Drivers,
    references: dict[str, HTTPUpstream], generation: str, transport: str, sdk: str, mode: str,
) -> None:  # fmt: skip
    mortal = make_upstream(reference_command(generation), transport, name="mortal")
    gateway = make_gateway({"alive": references["v1http"].entry(), "mortal": mortal.entry()}, workers=2)
    driver = drivers(sdk)
    whole = driver.run(gateway.url, "tools", ("call", {"name": "mortal__echo", "arguments": {"text": "1"}}), mode=mode)
    assert text_of(whole.value("call")["result"]) == "1"
    # In mid-call.
    box = driver.start(gateway.url, ("ask", {"name": "mortal__sleep", "arguments": {"seconds": 30}}), mode=mode)
    time.sleep(1)
    killed = time.monotonic()
    mortal.kill()
    cut = driver.finish(box)["ask"]["value"]
    assert time.monotonic() - killed < 5, "the caller was left waiting"
    assert "mortal" in json.dumps(cut.get("error") or cut["result"]), cut
    down = driver.run(
        gateway.url,
        "tools",
        ("ask", {"name": "mortal__echo", "arguments": {"text": "2"}}),
        ("alive=call", {"name": "alive__echo", "arguments": {"text": "3"}}),
        mode=mode,
    )
    assert down.value("tools")["names"] == whole.value("tools")["names"], "its tools stay listed"
    # It is waited for as long as it may be restarting (`routing.restart_grace`, 2 s), no longer.
    assert down.value("ask")["seconds"] < 4 and "mortal" in json.dumps(down.value("ask")["error"])
    assert text_of(down.value("alive")["result"]) == "3"
    mortal.start()
    back = driver.run(
        gateway.url, ("until_answered", {"name": "mortal__echo", "arguments": {"text": "4"}}), mode=mode, timeout=30
    )
    assert text_of(back.value("until_answered")["result"]) == "4"


def test_a_session_outlives_its_upstreams_restart(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream]
) -> None:
    mortal = make_upstream(reference_command("v1"), name="mortal")
    gateway = make_gateway({"mortal": mortal.entry()})
    session = LegacySession(gateway.port)
    assert session.call("echo", {"text": "1"}).message["result"]
    mortal.kill()
    assert session.call("echo", {"text": "2"}).message["error"]["code"] == -32603
    mortal.start()
    assert eventually(lambda: "result" in session.call("echo", {"text": "3"}).message, 15, 0.2)


def test_failures_are_errors_with_status_200_in_both_eras(
    make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream]
) -> None:
    gateway = make_gateway(
        {"alive": references["v2http"].entry(), "dead": {"url": f"http://127.0.0.1:{free_port()}/mcp"}}
    )
    params = {"name": "dead__echo", "arguments": {}}
    for response in (
        LegacySession(gateway.port).post(rpc("tools/call", params)),
        post_modern(gateway.port, modern("tools/call", params)),
    ):
        assert response.status == 200
        error = response.message["error"]
        assert error["code"] == -32603
        assert error["data"]["server"] == "dead" and error["data"]["reason"], error


def test_ready_waits_for_the_first_answer_of_any_upstream(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[..., HTTPUpstream]
) -> None:
    late = make_upstream(reference_command("v2"), name="late", started=False)
    gateway = make_gateway({"late": late.entry()}, wait=False)
    assert eventually(lambda: gateway.admin_status("/healthz") == 200, 10)
    assert gateway.admin_status("/readyz") == 503
    late.start()
    assert eventually(lambda: gateway.admin_status("/readyz") == 200, 20)


def test_ready_means_that_clients_can_connect(
    make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream]
) -> None:
    """Also while another upstream has not answered yet."""
    with silent_port() as listener:
        silent = {"type": "http", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"}
        gateway = make_gateway({"alive": references["v2http"].entry(), "silent": silent}, wait=False)
        assert eventually(lambda: gateway.admin_status("/readyz") == 200, 20, 0.02)
        assert listens(gateway.port), "ready, but nobody can connect"
        gateway.wait_ready()


# --- long lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tools", [3_000, pytest.param(10_000, marks=pytest.mark.heavy)])
@pytest.mark.parametrize(("sdk", "mode"), [("v2", "auto"), ("v1", "legacy")], ids=str)
def test_thousands_of_tools(
    make_gateway: Callable[..., Gateway],
    drivers: Drivers,
    references: dict[str, HTTPUpstream],
    sdk: str,
    mode: str,
    tools: int,
) -> None:
    many = stdio_entry(reference_command("v2", "--tools", str(tools), "--page", "700"))
    gateway = make_gateway({"many": many, "few": references["v1http"].entry()}, workers=2)
    last = f"many__bulk_{tools - 1:05d}"
    trace = drivers(sdk).run(
        gateway.url,
        ("until_listed", {"name": last, "seconds": 40}),
        "tools",
        ("call", {"name": last}),
        mode=mode,
        timeout=50,
    )
    found = trace.value("tools")
    assert found["names"] == [
        *[f"many__{name}" for name in TOOL_NAMES],
        *[f"many__bulk_{n:05d}" for n in range(tools)],
        *[f"few__{name}" for name in TOOL_NAMES],
    ]
    assert found["pages"] >= tools // 1000
    assert text_of(trace.value("call")["result"]) == f"called bulk_{tools - 1:05d}"


def test_ten_thousand_tools_page_quickly(make_gateway: Callable[..., Gateway]) -> None:
    """Over the wire alone, so that no client's models count."""
    gateway = make_gateway({"many": stdio_entry(reference_command("v1", "--tools", "10000"))}, workers=2)
    session = LegacySession(gateway.port)

    def walk() -> tuple[list[str], float, int]:
        names: list[str] = []
        slowest, biggest, cursor = 0.0, 0, None
        while True:
            started = time.monotonic()
            response = session.post(rpc("tools/list", {"cursor": cursor} if cursor else {}), timeout=30)
            slowest, biggest = max(slowest, time.monotonic() - started), max(biggest, len(response.body))
            result = response.message["result"]
            names += [tool["name"] for tool in result["tools"]]
            cursor = result.get("nextCursor")
            if cursor is None:
                return names, slowest, biggest

    assert eventually(lambda: len(walk()[0]) > 10_000, 30)
    names, slowest, biggest = walk()
    assert names == [*TOOL_NAMES, *[f"bulk_{n:05d}" for n in range(10_000)]]
    assert slowest < 0.5, f"a page took {slowest:.2f} s from the cache"
    assert biggest < 1 << 20
    assert session.call("bulk_09999").message["result"]["content"][0]["text"] == "called bulk_09999"


def test_wire_servers_and_references_together(
    make_gateway: Callable[..., Gateway], references: dict[str, HTTPUpstream]
) -> None:
    """Servers without prompts and resources beside one that has them."""
    gateway = make_gateway({"plain": stdio_entry(wire_command()), "full": references["v1http"].entry()})
    session = LegacySession(gateway.port)
    capabilities = session.result["capabilities"]
    assert {"tools", "prompts", "resources", "completions", "logging"} <= set(capabilities)
    assert [prompt["name"] for prompt in session.post(rpc("prompts/list")).message["result"]["prompts"]] == [
        "full__haiku",
        "full__plain",
    ]
    alone = LegacySession(gateway.port, path="/mcp/plain")
    assert "tools" in alone.result["capabilities"]
    assert alone.post(rpc("prompts/list")).message.get("result", {"prompts": []})["prompts"] == []
