"""The stream of events, as it is read: from a place on, from its end backwards, and waiting for what comes.

An event's id is that of the stream: the server's time (ms UTC) when it was written, and a number. The oldest are
trimmed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from scheduled_prompts.clock import Clock
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.transport import Transport, as_text

START = "0-0"
KEPT = 10_000
"""How many are kept at least, as `event` in scripts/prelude/base.lua says. A shorter stream was never trimmed."""
LONGEST_WAIT = 1.0
"""Seconds. A wait for events must be over before the client gives up on its answer."""

Entry = tuple[str, dict[str, str]]


class EventsRead(NamedTuple):
    entries: list[Entry]
    oldest: str | None
    """The id of the oldest event that is kept."""
    length: int


class EventReads:
    transport: Transport
    keys: Keys
    clock: Clock

    async def events_behind(self, position: str, count: int) -> EventsRead:
        """Up to `count` events that came behind an id, oldest first."""
        client, key = self.transport.client, self.keys.events

        async def read() -> list[Any]:
            async with client.pipeline(transaction=True) as pipe:  # at one instant: nothing is trimmed between them
                pipe.xrange(key, "-", "+", count=1)
                pipe.xlen(key)
                pipe.xrange(key, f"({position}", "+", count=count)
                return list(await pipe.execute())

        oldest, length, found = await self.transport.ask(read)
        return EventsRead(_entries(found), next((entry for entry, _ in _entries(oldest)), None), int(length))

    async def events_before(self, position: str | None, count: int) -> list[Entry]:
        """Up to `count` events before an id (None: the last ones), latest first."""
        client, key = self.transport.client, self.keys.events
        newest = "+" if position is None else f"({position}"
        return _entries(await self.transport.ask(lambda: client.xrevrange(key, newest, "-", count=count)))

    async def wait_for_events(self, position: str) -> None:
        """Return when an event has come behind an id, or after a second."""
        if self.clock.virtual:
            await self.clock.sleep(LONGEST_WAIT)  # while the server counts real time, virtual time would stand still
            return
        client, key = self.transport.client, self.keys.events
        patience = client.connection_pool.connection_kwargs.get("socket_timeout") or LONGEST_WAIT * 2
        wait_ms = round(min(LONGEST_WAIT, patience / 2) * 1000)
        await self.transport.ask(lambda: client.xread({key: position}, count=1, block=wait_ms))


def _entries(found: list[Any]) -> list[Entry]:
    return [(str(as_text(entry)), as_text(fields)) for entry, fields in found]
