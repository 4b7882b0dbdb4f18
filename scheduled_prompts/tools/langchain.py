"""The tools as those of LangChain (and LangGraph): `model.bind_tools(langchain_tools(tools, caller))`.

Needs the extra `langchain`. They are asynchronous: `ainvoke`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr

from scheduled_prompts.caller import Caller
from scheduled_prompts.tools.spec import ToolSpec
from scheduled_prompts.tools.toolbox import Tools

CallerOf = Callable[[RunnableConfig], Caller]
_tool_call: ContextVar[str | None] = ContextVar("tool_call", default=None)


def langchain_tools(tools: Tools, caller: Caller | CallerOf) -> list[BaseTool]:
    """One tool each. `caller`: on whose behalf, or a function that tells it from the configuration of each call; then
    all tools are there, and what its scopes do not allow is refused."""
    specs = tools.specs(None if callable(caller) else caller)
    return [PromptTool(tools, spec, caller) for spec in specs]


class PromptTool(BaseTool):
    """A tool for LangChain."""

    _tools: Tools = PrivateAttr()
    _caller: Caller | CallerOf = PrivateAttr()

    def __init__(self, tools: Tools, spec: ToolSpec, caller: Caller | CallerOf) -> None:
        hints = {"read_only": spec.read_only, "destructive": spec.destructive, "idempotent": spec.idempotent}
        super().__init__(name=spec.name, description=spec.description, args_schema=spec.input_schema, metadata=hints)
        self._tools = tools
        self._caller = caller

    async def arun(
        self, tool_input: str | dict[str, Any], *args: Any, tool_call_id: str | None = None, **kwargs: Any
    ) -> Any:
        said = tool_input if isinstance(tool_input, dict) else {"arguments": tool_input}
        token = _tool_call.set(tool_call_id)  # LangChain hands it on to tools with a pydantic schema alone
        try:
            return await super().arun(said, *args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _tool_call.reset(token)

    async def _arun(self, /, *, config: RunnableConfig, **said: Any) -> dict[str, Any]:
        caller = self._caller(config) if callable(self._caller) else self._caller
        bound = self._tools.bound(caller)
        tool_call_id = _tool_call.get()
        if tool_call_id is not None:
            bound = bound.for_tool_call(tool_call_id)
        return await bound.call(self.name, said)

    def _run(self, /, **_: Any) -> dict[str, Any]:
        raise NotImplementedError(f"{self.name} is asynchronous: call ainvoke")
