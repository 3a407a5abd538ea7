"""The events of a reference server, so that a stream that was ended can be taken up again."""

from __future__ import annotations

from typing import Any

from mcp.server.streamable_http import EventMessage, EventStore


class Events(EventStore):
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events))

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str | None:
        start = int(last_event_id)
        stream = self.events[start - 1][0]
        for number, (whose, message) in enumerate(self.events[start:], start + 1):
            if whose == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream
