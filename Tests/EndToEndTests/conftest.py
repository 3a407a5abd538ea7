"""Fixtures: drivers and reference servers live as long as the run, gateways as long as their tests need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.client import Driver
from harness.gateway import LONG_LIVED, Gateway
from harness.places import Place
from harness.upstreams import HTTPUpstream, reference_command, stdio_entry, wire_command


def pytest_configure(config: pytest.Config) -> None:
    if not config.option.markexpr:
        config.option.markexpr = "not heavy"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What failed at first and was tried again, with the error that it said."""
    for report in terminalreporter.stats.get("rerun", []):
        said = report.longreprtext.strip().splitlines() or [""]
        error = next((line for line in said if line.startswith("E ")), said[-1])
        terminalreporter.write_line(f"AGAIN {report.nodeid}: {error[:400]}")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs and scratch files of the whole run."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def drivers(folder: Path) -> Iterator[Callable[[str], Driver]]:
    """The driver of an SDK, started when it is first asked for."""
    running: dict[str, Driver] = {}

    def of(sdk: str) -> Driver:
        if sdk not in running:
            running[sdk] = Driver(sdk, folder)
        return running[sdk]

    yield of
    for driver in running.values():
        driver.close()


@pytest.fixture(scope="session")
def references(folder: Path) -> Iterator[dict[str, HTTPUpstream]]:
    """The reference servers of both generations that listen on ports."""
    servers = {
        f"{generation}{transport}": HTTPUpstream(
            reference_command(generation), transport, folder, f"{generation}{transport}", started=False
        )
        for generation in ("v1", "v2")
        for transport in ("http", "sse", *(["ws"] if generation == "v1" else []))
    }
    for server in servers.values():
        server.start(wait=False)
    for server in servers.values():
        server.wait()
    yield servers
    for server in servers.values():
        server.kill()


@pytest.fixture(scope="session")
def entries(references: dict[str, HTTPUpstream]) -> dict[str, Any]:
    """All seven reference servers as entries of a client file."""
    commands = {f"{generation}stdio": stdio_entry(reference_command(generation)) for generation in ("v1", "v2")}
    return {**{alias: server.entry() for alias, server in references.items()}, **commands}


@pytest.fixture(scope="session")
def wire_upstreams(folder: Path) -> Iterator[dict[str, HTTPUpstream]]:
    """The byte-exact servers on ports; what arrives is kept in `<alias>.record`."""
    servers = {}
    for era in ("legacy", "modern"):
        record = str(folder / f"wire{era}http.record")
        command = wire_command("--era", era, "--record", record)
        servers[f"wire{era}http"] = HTTPUpstream(command, "http", folder, f"wire{era}http")
    yield servers
    for server in servers.values():
        server.kill()


@pytest.fixture(scope="session")
def wire_entries(wire_upstreams: dict[str, HTTPUpstream], folder: Path) -> dict[str, Any]:
    commands = {
        f"wire{era}stdio": stdio_entry(wire_command("--era", era, "--record", str(folder / f"wire{era}stdio.record")))
        for era in ("legacy", "modern")
    }
    return {**{alias: server.entry() for alias, server in wire_upstreams.items()}, **commands}


@pytest.fixture(autouse=True)
def nothing_fell_over() -> Iterator[None]:
    """A crash of a shared gateway belongs to the test that ran."""
    yield
    fallen = [gateway for gateway in LONG_LIVED if gateway.fell_over()]
    assert not fallen, f"a gateway ended by itself:\n{fallen[0].crash()}"


@pytest.fixture(scope="session")
def shared_gateway(entries: dict[str, Any], folder: Path) -> Iterator[Callable[[int], Gateway]]:
    """The gateway over all seven reference servers, one for each number of workers."""
    running: dict[int, Gateway] = {}

    def of(workers: int) -> Gateway:
        if workers not in running:
            running[workers] = Gateway(folder, entries, workers=workers)
            LONG_LIVED.append(running[workers])
            running[workers].wait_for(*entries)
        return running[workers]

    yield of
    for gateway in running.values():
        LONG_LIVED.remove(gateway)
        gateway.stop()


@pytest.fixture(scope="session")
def everything(folder: Path) -> Iterator[dict[str, HTTPUpstream]]:
    """A server of either generation that offers everything, on a port."""
    servers = {
        generation: HTTPUpstream(
            reference_command(generation, "--everything"), "http", folder, f"everything-{generation}", started=False
        )
        for generation in ("v1", "v2")
    }
    for server in servers.values():
        server.start(wait=False)
    for server in servers.values():
        server.wait()
    yield servers
    for server in servers.values():
        server.kill()


@pytest.fixture(scope="session")
def everything_gateway(everything: dict[str, HTTPUpstream], folder: Path) -> Iterator[Gateway]:
    """The gateway over servers that offer everything: both generations, over HTTP and stdio."""
    entries = {f"{generation}http": server.entry() for generation, server in everything.items()}
    for generation in everything:
        entries[f"{generation}stdio"] = stdio_entry(reference_command(generation, "--everything"))
    gateway = Gateway(folder, entries, workers=3)
    LONG_LIVED.append(gateway)
    gateway.wait_for(*entries)
    yield gateway
    LONG_LIVED.remove(gateway)
    gateway.stop()


@pytest.fixture
def place_of(everything: dict[str, HTTPUpstream], everything_gateway: Gateway) -> Callable[[str], Place]:
    """Where a server is: `v1` and `v2` without the gateway, `v1http` and the like through it."""

    def of(name: str) -> Place:
        if name in everything:
            return Place(everything[name].port, "/mcp", through=False)
        return Place(everything_gateway.port, f"/mcp/{name}", through=True)

    return of


@pytest.fixture(scope="session")
def wire_gateway(wire_entries: dict[str, Any], folder: Path) -> Iterator[Gateway]:
    """A gateway over the four byte-exact servers, for tests of the wire."""
    gateway = Gateway(folder, wire_entries, workers=3)
    LONG_LIVED.append(gateway)
    gateway.wait_for(*wire_entries)
    yield gateway
    LONG_LIVED.remove(gateway)
    gateway.stop()


@pytest.fixture
def make_gateway(folder: Path) -> Iterator[Callable[..., Gateway]]:
    """Gateways of a test's own; each must end well."""
    made: list[Gateway] = []

    def make(servers: dict[str, Any] | None = None, **options: Any) -> Gateway:
        made.append(Gateway(folder, servers, **options))
        return made[-1]

    yield make
    for gateway in made:
        if gateway.child.process.poll() is None:
            gateway.stop()


@pytest.fixture
def make_upstream(folder: Path) -> Iterator[Callable[..., HTTPUpstream]]:
    """Upstreams of a test's own on ports."""
    made: list[HTTPUpstream] = []

    def make(command: list[str], transport: str = "http", name: str = "own", started: bool = True) -> HTTPUpstream:
        made.append(HTTPUpstream(command, transport, folder, name, started))
        return made[-1]

    yield make
    for upstream in made:
        upstream.kill()
