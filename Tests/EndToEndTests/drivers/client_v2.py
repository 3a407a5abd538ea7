"""Client driver on `mcp` 2.x: modes auto, legacy and 2026-07-28."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from scenarios import Events, PeerError, serve

warnings.simplefilter("ignore", MCPDeprecationWarning)

LISTS = {
    "tools": "list_tools",
    "resources": "list_resources",
    "resourceTemplates": "list_resource_templates",
    "prompts": "list_prompts",
}


def wire(model: Any) -> Any:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


async def raised(awaitable: Awaitable[Any]) -> Any:
    try:
        return wire(await awaitable)
    except MCPError as error:
        raise PeerError(error.code, error.message, error.data) from error


class ClientPeer:
    def __init__(self, client: Client, events: Events) -> None:
        self.client, self.events = client, events
        self.modern = client.protocol_version in MODERN_PROTOCOL_VERSIONS
        self.level: str | None = None
        self.opened = {
            "protocolVersion": client.protocol_version,
            "capabilities": wire(client.server_capabilities),
            "serverInfo": wire(client.server_info) if client.server_info else None,
            "instructions": client.instructions,
        }

    def meta(self) -> Any:
        return {"io.modelcontextprotocol/logLevel": self.level} if self.modern and self.level else None

    async def page(self, kind: str, cursor: str | None) -> Any:
        return await raised(getattr(self.client, LISTS[kind])(cursor=cursor, cache_mode="refresh"))

    async def call(self, name: str, arguments: Any = None, progress: list[Any] | None = None) -> Any:
        report = None
        if progress is not None:

            async def report(done: float, total: float | None, message: str | None) -> None:
                progress.append([done, total, message])

        return await raised(self.client.call_tool(name, arguments or {}, progress_callback=report, meta=self.meta()))

    async def call_then_cancel(self, name: str, arguments: Any, began: Callable[[], Awaitable[None]]) -> Any:
        outcome: Any = "abandoned"
        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()

            async def run() -> None:
                nonlocal outcome
                with scope:
                    try:
                        outcome = wire(await self.client.call_tool(name, arguments))
                    except MCPError as error:
                        outcome = {"code": error.code, "message": error.message}

            group.start_soon(run)
            await began()
            scope.cancel()
        return outcome

    async def read(self, uri: str) -> Any:
        return await raised(self.client.read_resource(uri, cache_mode="refresh"))

    async def prompt(self, name: str, arguments: Any = None) -> Any:
        return await raised(self.client.get_prompt(name, arguments))

    async def complete(self, ref: Any, name: str, value: str, context: Any = None) -> Any:
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        argument = {"name": name, "value": value}
        return await raised(self.client.complete(kind.model_validate(ref), argument, context))

    async def ping(self) -> Any:
        return await raised(self.client.send_ping())

    async def set_level(self, level: Any) -> None:
        self.level = level
        if not self.modern:
            await raised(self.client.set_logging_level(level))

    @contextlib.asynccontextmanager
    async def watch(self, uris: list[str], lists: bool) -> AsyncIterator[None]:
        if not self.modern:
            for uri in uris:
                await raised(self.client.subscribe_resource(uri))
            yield
            for uri in uris:
                await raised(self.client.unsubscribe_resource(uri))
            return
        # The listen driver keeps events from the message handler's order, so both feed `events` from here alone.
        async with self.client.listen(
            tools_list_changed=lists,
            prompts_list_changed=lists,
            resources_list_changed=lists,
            resource_subscriptions=uris,
        ) as subscription:
            yield
            del subscription


@contextlib.asynccontextmanager
async def open_peer(job: dict[str, Any]) -> AsyncIterator[ClientPeer]:
    events = Events()
    answers = job.get("answers", {})

    async def on_message(message: Any) -> None:
        if not isinstance(message, Exception):
            body = wire(message)
            events.add(body["method"], body.get("params"))

    async def on_elicit(context: Any, params: Any) -> Any:
        events.add("asked elicitation/create", wire(params))
        return types.ElicitResult.model_validate(answers["elicitation"])

    async def on_sample(context: Any, params: Any) -> Any:
        events.add("asked sampling/createMessage", wire(params))
        return types.CreateMessageResult.model_validate(answers["sampling"])

    async def on_roots(context: Any) -> Any:
        events.add("asked roots/list", {})
        return types.ListRootsResult.model_validate(answers["roots"])

    target = job["target"]
    if "url" in target:
        server: Any = target["url"]
        if "event_limit" in target:
            server = streamable_http_client(target["url"], max_sse_event_size=target["event_limit"])
    elif "sse" in target:
        server = sse_client(target["sse"])
    else:
        command, *arguments = target["command"]
        server = StdioServerParameters(command=command, args=arguments, env=target.get("env"))
    async with Client(
        server,
        mode=job.get("mode", "auto"),
        message_handler=on_message,
        elicitation_callback=on_elicit if "elicitation" in answers else None,
        sampling_callback=on_sample if "sampling" in answers else None,
        list_roots_callback=on_roots if "roots" in answers else None,
        client_info=types.Implementation(name="e2e", version="1"),
    ) as client:
        yield ClientPeer(client, events)


if __name__ == "__main__":
    anyio.run(serve, open_peer)
