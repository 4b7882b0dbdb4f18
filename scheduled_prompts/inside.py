"""What is to be had inside a fire: the tools of the agent that it runs, and what a child process needs to act as it.

The engine gives it to the fire that it hands to a runner, and makes nothing of it before it is asked for. Runners know
these protocols alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Arguments = Mapping[str, Any] | str | None
"""Of a tool: as a model gave them, an object or the JSON of one."""


class BlockingTools(Protocol):
    """The tools for code that blocks: a function in a thread, which has no loop to await in."""

    @property
    def specs(self) -> Sequence[Any]:
        """The tools (`ToolSpec`) that may be called."""

    def call(self, name: str, /, arguments: Arguments = None, **more: Any) -> dict[str, Any]:
        """As `InsideTools.call`, and waits for the answer. Raises RuntimeError in the daemon's loop itself, which
        would wait for itself."""

    def for_tool_call(self, tool_call_id: str) -> BlockingTools:
        """As `InsideTools.for_tool_call`."""


class InsideTools(Protocol):
    """The tools in the hands of the agent whose fire it is. They do what that fire may do, as long as it runs; they may
    be called from any event loop."""

    @property
    def specs(self) -> Sequence[Any]:
        """The tools (`ToolSpec`) that may be called."""

    @property
    def blocking(self) -> BlockingTools:
        """The same for code that blocks."""

    async def call(self, name: str, /, arguments: Arguments = None, **more: Any) -> dict[str, Any]:
        """Call a tool; arguments may also be said as keywords. The answer says `ok`, and what was done or what was
        wrong; nothing is raised that a model could be the cause of."""

    def for_tool_call(self, tool_call_id: str) -> InsideTools:
        """The same for one tool call of a model: where that is made again, it is answered as it was."""


class Inside(Protocol):
    """Of one attempt at one fire."""

    @property
    def tools(self) -> InsideTools: ...

    async def environment(self) -> dict[str, str]:
        """The variables by which `scheduled-prompts`, called from a child process, acts as this fire's agent. One of
        them is a secret: it is not to be shown, logged or stored."""
