"""Pages in a real browser: streams that they come back to, WebSockets, and the pages that must not reach in."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from harness.gateway import Gateway

# What every script below begins with. `reader` takes events off a response until `enough` says so.
HELPERS = """
const call = (id, name, args, meta) => ({
  jsonrpc: "2.0", id, method: "tools/call", params: {name, arguments: args, ...(meta && {_meta: meta})}});
const hello = {
  jsonrpc: "2.0", id: 0, method: "initialize",
  params: {protocolVersion: "2025-11-25", capabilities: {}, clientInfo: {name: "page", version: "1"}}};
const headers = (session, more = {}) => ({
  "content-type": "application/json", accept: "application/json, text/event-stream",
  ...(session && {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}), ...more});
const post = (url, message, session, options = {}) =>
  fetch(url, {method: "POST", headers: headers(session), body: JSON.stringify(message), ...options});
const open = async url => {
  const answer = await post(url, hello);
  await answer.json();
  const session = answer.headers.get("mcp-session-id");
  await post(url, {jsonrpc: "2.0", method: "notifications/initialized"}, session);
  return session;
};
const events = async (response, enough) => {
  const found = [], reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return found;
    text += value;
    let end;
    while ((end = text.indexOf("\\n\\n")) >= 0) {
      const event = {};
      for (const line of text.slice(0, end).split("\\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) event[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      text = text.slice(end + 2);
      if (event.data) found.push({id: event.id, message: JSON.parse(event.data)});
    }
    if (enough && enough(found)) return found;
  }
};
"""


class Blank(BaseHTTPRequestHandler):
    """A page with nothing on it: what matters is its origin."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    gateway = Gateway(folder, workers=2)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            # Sandboxes need rights that a container's root lacks; names of other sites lead to this machine.
            args=["--no-sandbox", "--host-resolver-rules=MAP *.example 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: int) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(f"http://localhost:{site}/")
    yield page
    page.close()


def run(page: Page, gateway: Gateway, script: str) -> Any:
    """What an async function's body comes to on the page; `url` is the endpoint, `socket` that of WebSockets."""
    urls = {"url": f"http://127.0.0.1:{gateway.port}/mcp", "socket": f"ws://127.0.0.1:{gateway.port}/mcp/ws"}
    return page.evaluate("async ({url, socket}) => {" + HELPERS + script + "}", urls)


def test_a_page_calls_tools_across_origins(page: Page, gateway: Gateway) -> None:
    answer = run(
        page,
        gateway,
        """
        const session = await open(url);
        return await (await post(url, call(1, "echo", {text: "from a page"}), session)).json();
        """,
    )
    assert answer["result"]["content"] == [{"type": "text", "text": "from a page"}]


def test_a_stream_that_breaks_off_is_taken_up_by_its_last_event(page: Page, gateway: Gateway) -> None:
    found = run(
        page,
        gateway,
        """
        const session = await open(url), stop = new AbortController();
        const slow = call(7, "slow", {steps: 6, interval_ms: 150}, {progressToken: "t"});
        const seen = await events(await post(url, slow, session, {signal: stop.signal}),
          found => found.filter(event => event.message.method).length >= 2);
        stop.abort();
        const last = seen.at(-1).id;
        const again = await fetch(url, {headers: headers(session, {"last-event-id": last})});
        const rest = await events(again, found => found.some(event => event.message.id === 7));
        return {status: again.status, seen, rest};
        """,
    )
    assert found["status"] == 200
    messages = [event["message"] for event in found["seen"] + found["rest"]]
    steps = [message["params"]["progress"] for message in messages if "params" in message]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert messages[-1]["id"] == 7 and "result" in messages[-1]
    identities = [event["id"] for event in found["seen"] + found["rest"]]
    assert len(set(identities)) == len(identities)


def test_a_page_listens_to_its_sessions_stream(page: Page, gateway: Gateway) -> None:
    found = run(
        page,
        gateway,
        """
        const session = await open(url);
        const stream = await fetch(url, {headers: headers(session, {accept: "text/event-stream"})});
        const ended = await fetch(url, {method: "DELETE", headers: headers(session)});
        return {status: stream.status, type: stream.headers.get("content-type"), deleted: ended.status,
          rest: await events(stream)};
        """,
    )
    assert (found["status"], found["type"]) == (200, "text/event-stream")
    assert found["deleted"] in (200, 204)
    assert found["rest"] == []


def test_an_eventsource_reads_http_and_sse(page: Page, gateway: Gateway) -> None:
    answer = run(
        page,
        gateway,
        """
        const source = new EventSource(url + "/sse");
        const next = name => new Promise((resolve, reject) => {
          source.addEventListener(name, event => resolve(event.data), {once: true});
          source.addEventListener("error", () => reject(new Error("the stream broke off")), {once: true});
        });
        const endpoint = new URL(await next("endpoint"), url);
        const ask = async message => {
          const answer = next("message");
          await post(endpoint, message);
          return JSON.parse(await answer);
        };
        await ask(hello);
        const answer = await ask(call(2, "add", {a: 2, b: 3}));
        source.close();
        return answer;
        """,
    )
    assert answer["result"]["structuredContent"] == {"sum": 5}


def test_a_page_speaks_over_a_websocket(page: Page, gateway: Gateway) -> None:
    found = run(
        page,
        gateway,
        """
        const web = new WebSocket(socket, ["other", "mcp"]), answers = [];
        await new Promise((resolve, reject) => { web.onopen = resolve; web.onerror = () => reject(new Error("refused")); });
        const ask = message => new Promise(resolve => {
          web.onmessage = event => { answers.push(typeof event.data); resolve(JSON.parse(event.data)); };
          web.send(JSON.stringify(message));
        });
        const offered = await ask(hello);
        web.send(JSON.stringify({jsonrpc: "2.0", method: "notifications/initialized"}));
        const large = await ask(call(1, "large", {size: 3000000}));
        const text = "x".repeat(50000);
        const echoed = await ask(call(2, "echo", {text}));
        const closed = new Promise(resolve => { web.onclose = resolve; });
        web.close(1000, "done");
        const end = await closed;
        return {protocol: web.protocol, extensions: web.extensions, revision: offered.result.protocolVersion,
          large: large.result.content[0].text.length, echoed: echoed.result.content[0].text === text,
          kinds: [...new Set(answers)], code: end.code, clean: end.wasClean};
        """,
    )
    assert found == {
        "protocol": "mcp",
        "extensions": found["extensions"],
        "revision": "2025-11-25",
        "large": 3_000_000,
        "echoed": True,
        "kinds": ["string"],
        "code": 1000,
        "clean": True,
    }
    assert "permessage-deflate" in found["extensions"]


def test_a_foreign_page_reaches_nothing(page: Page, gateway: Gateway, site: int) -> None:
    page.goto(f"http://foreign.example:{site}/")
    found = run(
        page,
        gateway,
        """
        const of = attempt => attempt.then(() => "reached", error => error.name);
        return {
          fetch: await of(post(url, hello)),
          simple: await of(fetch(url, {method: "POST", body: JSON.stringify(hello)})),
          events: await new Promise(resolve => {
            const source = new EventSource(url + "/sse");
            source.onopen = () => resolve("reached");
            source.onerror = () => { source.close(); resolve("refused"); };
          }),
          socket: await new Promise(resolve => {
            const web = new WebSocket(socket, "mcp");
            web.onopen = () => resolve("reached");
            web.onclose = event => resolve(event.code);
          }),
        };
        """,
    )
    assert found == {"fetch": "TypeError", "simple": "TypeError", "events": "refused", "socket": 1006}


def test_a_name_that_leads_here_is_no_way_in(page: Page, gateway: Gateway, site: int) -> None:
    """DNS rebinding: the page's own site, by name, turns out to be the gateway."""
    page.goto(f"http://foreign.example:{site}/")
    status = page.evaluate(
        "async url => { try { return (await fetch(url, {mode: 'no-cors', method: 'POST', body: '{}'})).type } "
        "catch (error) { return error.name } }",
        f"http://rebound.example:{gateway.port}/mcp",
    )
    # `no-cors` hides the answer; that it was a refusal is seen in a page of the gateway's own origin.
    assert status == "opaque"
    answer = page.goto(f"http://rebound.example:{gateway.port}/mcp")
    assert answer is not None and answer.status == 421
