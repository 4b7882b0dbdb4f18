"""One call of a tool: on whose behalf, and what its handler needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduled_prompts.caller import Caller
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.tools.references import meant


@dataclass(frozen=True)
class Call:
    """What a handler works with. `scheduler` is the caller's: it sees and may do what the caller does."""

    scheduler: Scheduler
    caller: Caller

    @property
    def now(self) -> int:
        return self.scheduler.clock.now()

    @property
    def currency(self) -> str:
        return self.scheduler.budgets.currency

    async def prompt(self, said: str) -> ScheduledPrompt:
        """The prompt that a model means. Raises NotFound; InvalidInput where it could be several."""
        return await meant(self.scheduler, self.caller, said)

    async def unserved(self, definition: Definition) -> str | None:
        """Why nothing would run a prompt now, in words that tell nothing of the house."""
        if await self.scheduler.halted() is not None:
            return "a person has stopped everything"
        reason = await self.scheduler.why_unserved(definition)
        if reason is None:
            return None
        return "no daemon is running" if reason.startswith("no daemon is running") else reason.partition(" (")[0]


def without_none(**fields: Any) -> dict[str, Any]:
    """Those that were said."""
    return {name: value for name, value in fields.items() if value is not None}
