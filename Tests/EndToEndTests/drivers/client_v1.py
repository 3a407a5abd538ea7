"""Client driver on `mcp` 1.x."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import mcp.types as types
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.websocket import websocket_client
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl
from scenarios import Events, PeerError, serve

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
    except McpError as error:
        raise PeerError(error.error.code, error.error.message, error.error.data) from error


class ClientPeer:
    modern = False

    def __init__(self, session: ClientSession, events: Events, result: types.InitializeResult) -> None:
        self.session, self.events = session, events
        self.opened = wire(result)

    async def page(self, kind: str, cursor: str | None) -> Any:
        params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
        return await raised(getattr(self.session, LISTS[kind])(params=params))

    async def call(self, name: str, arguments: Any = None, progress: list[Any] | None = None) -> Any:
        report = None
        if progress is not None:

            async def report(done: float, total: float | None, message: str | None) -> None:
                progress.append([done, total, message])

        return await raised(self.session.call_tool(name, arguments or {}, progress_callback=report))

    async def call_then_cancel(self, name: str, arguments: Any, began: Callable[[], Awaitable[None]]) -> Any:
        outcome: Any = "abandoned"
        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            number = -1

            async def run(*, task_status: Any) -> None:
                nonlocal outcome, number
                # This SDK has no cancellation of its own; nothing else runs before the request takes this number.
                number = self.session._request_id
                task_status.started()
                with scope:
                    try:
                        outcome = wire(await self.session.call_tool(name, arguments))
                    except McpError as error:
                        outcome = {"code": error.error.code, "message": error.error.message}

            await group.start(run)
            await began()
            params = types.CancelledNotificationParams(requestId=number, reason="enough")
            notification = types.CancelledNotification(params=params)
            await self.session.send_notification(types.ClientNotification(notification))
            with anyio.move_on_after(3):
                while outcome == "abandoned":
                    await anyio.sleep(0.02)
            scope.cancel()
        return outcome

    async def read(self, uri: str) -> Any:
        return await raised(self.session.read_resource(AnyUrl(uri)))

    async def prompt(self, name: str, arguments: Any = None) -> Any:
        return await raised(self.session.get_prompt(name, arguments))

    async def complete(self, ref: Any, name: str, value: str, context: Any = None) -> Any:
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        argument = {"name": name, "value": value}
        return await raised(self.session.complete(kind.model_validate(ref), argument, context))

    async def ping(self) -> Any:
        return await raised(self.session.send_ping())

    async def set_level(self, level: Any) -> None:
        await raised(self.session.set_logging_level(level))

    @contextlib.asynccontextmanager
    async def watch(self, uris: list[str], lists: bool) -> AsyncIterator[None]:
        for uri in uris:
            await raised(self.session.subscribe_resource(AnyUrl(uri)))
        yield
        for uri in uris:
            await raised(self.session.unsubscribe_resource(AnyUrl(uri)))


@contextlib.asynccontextmanager
async def streams(target: dict[str, Any]) -> AsyncIterator[Any]:
    if "url" in target:
        async with streamable_http_client(target["url"]) as (read, write, _):
            yield read, write
    elif "sse" in target:
        async with sse_client(target["sse"]) as (read, write):
            yield read, write
    elif "ws" in target:
        async with websocket_client(target["ws"]) as (read, write):
            yield read, write
    else:
        command, *arguments = target["command"]
        parameters = StdioServerParameters(command=command, args=arguments, env=target.get("env"))
        async with stdio_client(parameters) as (read, write):
            yield read, write


@contextlib.asynccontextmanager
async def open_peer(job: dict[str, Any]) -> AsyncIterator[ClientPeer]:
    events = Events()
    answers = job.get("answers", {})

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ServerNotification):
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

    async with (
        streams(job["target"]) as (read, write),
        ClientSession(
            read,
            write,
            message_handler=on_message,
            elicitation_callback=on_elicit if "elicitation" in answers else None,
            sampling_callback=on_sample if "sampling" in answers else None,
            list_roots_callback=on_roots if "roots" in answers else None,
            client_info=types.Implementation(name="e2e", version="1"),
        ) as session,
    ):
        result = await session.initialize()
        yield ClientPeer(session, events, result)


if __name__ == "__main__":
    anyio.run(serve, open_peer)
