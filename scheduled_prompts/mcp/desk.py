"""Where calls are answered: a store that is opened when it is first needed, and again when that failed.

A client starts its servers before it needs them, and some it never needs. So nothing is loaded, and no store is
touched, before the first question that needs it; and whatever is wrong with the configuration or the store is the
answer to that question, not the end of the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded when it is first needed: the client waits for this process to say its first word
    from scheduled_prompts.scheduler import Scheduler


class Desk:
    """`make` builds a scheduler that is not open yet, and is called until one could be opened. It may raise
    ScheduledPromptsError."""

    def __init__(self, make: Callable[[], Scheduler]) -> None:
        self._make = make
        self._scheduler: Scheduler | None = None
        self._opening = asyncio.Lock()

    async def scheduler(self) -> Scheduler:
        """Of no caller, open. Raises ScheduledPromptsError."""
        async with self._opening:
            if self._scheduler is None:
                self._scheduler = await self._make().open()
        return self._scheduler

    async def close(self) -> None:
        if self._scheduler is not None:
            await self._scheduler.close()
