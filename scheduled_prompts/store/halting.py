"""The kill switch: while all is stopped, nothing is claimed and nothing is taken, whoever asks.

It is kept in `meta`, where `claim` and `take` look first of all, so it survives restarts and no daemon gets past it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from scheduled_prompts.store import script
from scheduled_prompts.store.keys import Keys
from scheduled_prompts.store.transport import Transport, as_text
from scheduled_prompts.stored import instant, legible

HALTED = "halted"
"""What a claim answers while all is stopped."""


class Halt(NamedTuple):
    """All was stopped from `at` until `until` (ms UTC; None: it still is)."""

    at: int
    by: str
    note: str
    until: int | None = None
    started_by: str = ""


class Stopped(NamedTuple):
    halt: Halt
    is_new: bool
    """False where all was stopped already."""
    asked_to_stop: int
    """Running fires."""


class Halting:
    transport: Transport
    keys: Keys
    new_op: Callable[[], str]

    async def stop_all(
        self, *, by: str = "", note: str = "", cancel_running: bool = False, op: str | None = None
    ) -> Stopped:
        """Nothing more is claimed or taken; what was taken ahead is given back, what runs goes on or is asked
        to stop."""
        answer = await self._halt("stop", by, note, cancel_running, op)
        halt = read_halt(answer[1])
        assert halt is not None
        return Stopped(halt, answer[0] == "stopped", int(answer[2]))

    async def start_all(self, *, by: str = "", op: str | None = None) -> Halt | None:
        """All goes on. The halt that is over; None where nothing was stopped."""
        answer = await self._halt("start", by, "", False, op)
        return read_halt(answer[1]) if answer[0] == "started" else None

    async def halt(self) -> Halt | None:
        """The halt that holds, if one does."""
        client = self.transport.client
        return read_halt(as_text(await self.transport.ask(lambda: client.hget(self.keys.meta, HALTED))))

    async def running_fires(self) -> int:
        """How many fires are in some daemon's hands."""
        client = self.transport.client
        return int(await self.transport.ask(lambda: client.zcard(self.keys.leases)))

    async def halts(self) -> list[Halt]:
        """The last thousand halts, oldest first, with the one that holds."""
        client = self.transport.client
        over = as_text(await self.transport.ask(lambda: client.lrange(self.keys.halts, 0, -1)))
        present = await self.halt()
        found = legible(_read_halt, over)
        return found if present is None else [*found, present]

    async def _halt(self, mode: str, by: str, note: str, cancel: bool, op: str | None) -> list[str]:
        return list(
            await self.transport.run(
                script.HALT, op=op or self.new_op(), mode=mode, by=by, note=note, cancel="1" if cancel else "0"
            )
        )


def read_halt(text: str | None) -> Halt | None:
    """A halt as it is stored; None for none. One that cannot be read holds all the same."""
    if not text:
        return None
    found = legible(_read_halt, [text])
    return found[0] if found else Halt(0, "", "who stopped all, when and why cannot be read")


def _read_halt(text: str) -> Halt:
    stored = json.loads(text)
    until = stored.get("until")
    return Halt(
        instant(str(stored["at"])),
        stored.get("by", ""),
        stored.get("note", ""),
        None if until is None else instant(str(until)),
        stored.get("started_by", ""),
    )
