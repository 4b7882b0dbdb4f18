"""One caller at the desk: who it is, and what it may ask for there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.server.context import ServerRequestContext

from scheduled_prompts.caller import Caller
from scheduled_prompts.errors import ScheduledPromptsError

if TYPE_CHECKING:  # see `desk`
    from scheduled_prompts.scheduler import Scheduler
    from scheduled_prompts.tools import ToolSpec

Context = ServerRequestContext[Any, Any]
TOOL_CALL_IDS = ("claudecode/toolUseId",)
"""Where clients put the name of a model's tool call. A JSON-RPC id will not do: each session counts from one."""
LONGEST_TOOL_CALL_ID = 256


@dataclass(frozen=True)
class Seat:
    """`base` answers with an open scheduler (whose limits count), or raises ScheduledPromptsError."""

    caller: Caller
    base: Callable[[], Awaitable[Scheduler]]

    def specs(self) -> list[ToolSpec]:
        """The tools that this caller may use. Needs no store."""
        from scheduled_prompts.tools import specs

        return specs(self.caller)

    async def scheduler(self) -> Scheduler:
        """The caller's own. Raises ScheduledPromptsError where the store cannot be opened."""
        return (await self.base()).as_caller(self.caller)

    async def call(self, name: str, arguments: Mapping[str, Any] | None, context: Context) -> dict[str, Any]:
        """A tool's answer; also where there is no store to answer from."""
        from scheduled_prompts.tools import Tools
        from scheduled_prompts.tools.refusals import refusal

        try:
            scheduler = await self.base()
        except ScheduledPromptsError as error:
            return refusal(error)
        return await Tools(scheduler).call(name, arguments, self._caller_of(context))

    def _caller_of(self, context: Context) -> Caller:
        """With the name of the model's tool call: one that is made again is answered as it was."""
        said = context.meta or {}
        ids = (said.get(name) for name in TOOL_CALL_IDS)
        found = next((i for i in ids if isinstance(i, str) and 0 < len(i) <= LONGEST_TOOL_CALL_ID), None)
        return self.caller if found is None else self.caller.model_copy(update={"tool_call_id": found})


Seating = Callable[[Context], Awaitable[Seat]]
"""Who makes a request. Raises ScheduledPromptsError for nobody."""
