"""One call of a tool: on whose behalf, and what its handler needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduled_prompts.caller import Caller
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler


@dataclass(frozen=True)
class Call:
    """What a handler works with. `scheduler` is the caller's: it sees and may do what the caller does."""

    scheduler: Scheduler
    caller: Caller

    @property
    def now(self) -> int:
        return self.scheduler.clock.now()

    async def prompt(self, said: str) -> ScheduledPrompt:
        """The prompt that a model means."""
        return await self.scheduler.get(said)


def without_none(**fields: Any) -> dict[str, Any]:
    """Those that were said."""
    return {name: value for name, value in fields.items() if value is not None}
