"""The tools in the hands of the agent whose fire it is: called from any loop, or from a thread that waits."""

from __future__ import annotations

from typing import Any

from scheduled_prompts.caller import Caller
from scheduled_prompts.engine.inside import InsideFire
from scheduled_prompts.inside import Arguments
from scheduled_prompts.store.acting import Actor
from scheduled_prompts.store.denials import denial
from scheduled_prompts.tools import BoundTools, Tools, ToolSpec
from scheduled_prompts.tools.refusals import refusal


class FireTools(BoundTools):
    """Bound to a fire (`InsideTools`)."""

    def __init__(self, tools: Tools, caller: Caller, inside: InsideFire) -> None:
        super().__init__(tools, caller)
        self.inside = inside

    async def call(self, name: str, /, arguments: Arguments = None, **more: Any) -> dict[str, Any]:
        if self.inside.is_over:
            return _over(self.caller)
        return await self.inside.in_its_loop(super().call(name, arguments, **more))

    def for_tool_call(self, tool_call_id: str) -> FireTools:
        return FireTools(self._tools, super().for_tool_call(tool_call_id).caller, self.inside)

    @property
    def blocking(self) -> BlockingFireTools:
        return BlockingFireTools(self)


class BlockingFireTools:
    """The same for code that blocks (`BlockingTools`)."""

    def __init__(self, tools: FireTools) -> None:
        self._tools = tools

    @property
    def specs(self) -> list[ToolSpec]:
        return self._tools.specs

    def call(self, name: str, /, arguments: Arguments = None, **more: Any) -> dict[str, Any]:
        tools = self._tools
        if tools.inside.is_over:
            return _over(tools.caller)
        return tools.inside.waited_for(BoundTools.call(tools, name, arguments, **more))

    def for_tool_call(self, tool_call_id: str) -> BlockingFireTools:
        return BlockingFireTools(self._tools.for_tool_call(tool_call_id))


def _over(caller: Caller) -> dict[str, Any]:
    """As the store says it."""
    return refusal(denial("ended", Actor(caller.actor, caller)))
