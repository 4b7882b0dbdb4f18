"""The tools as a toolset of pydantic-ai: `Agent(…, toolsets=[PromptToolset(tools, caller)])`.

Needs the extra `pydantic-ai`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from pydantic_ai import RunContext
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool

from scheduled_prompts.caller import Caller
from scheduled_prompts.tools.toolbox import BoundTools, Tools

AS_JSON_TEXT = "arguments"
"""The wrapper in which what is no object is handed on; the tools read it, or say what is right."""


class PromptToolset(AbstractToolset[Any]):
    """`caller`: on whose behalf, or a function that tells it from the run's context (`ctx.deps`, for instance)."""

    def __init__(
        self,
        tools: Tools,
        caller: Caller | Callable[[RunContext[Any]], Caller],
        *,
        id: str = "scheduled-prompts",  # noqa: A002  as pydantic-ai's own toolsets call it
    ) -> None:
        self._tools = tools
        self._caller = caller
        self._id = id

    @property
    def id(self) -> str:
        return self._id

    def bound(self, ctx: RunContext[Any]) -> BoundTools:
        return self._tools.bound(self._caller(ctx) if callable(self._caller) else self._caller)

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        return {
            spec.name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=spec.name,
                    description=spec.description,
                    parameters_json_schema=spec.input_schema,
                    metadata={
                        "read_only": spec.read_only,
                        "destructive": spec.destructive,
                        "idempotent": spec.idempotent,
                    },
                ),
                max_retries=0,  # a refusal is an answer, not a failure
                args_validator=_Anything(),
            )
            for spec in self.bound(ctx).specs
        }

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[Any],
        tool: ToolsetTool[Any],  # noqa: ARG002
    ) -> dict[str, Any]:
        bound = self.bound(ctx)
        if ctx.tool_call_id is not None:
            bound = bound.for_tool_call(ctx.tool_call_id)
        return await bound.call(name, tool_args)


class _Anything:
    """What the model gave, as it is: the tools read it themselves, and answer what is wrong."""

    def validate_json(
        self,
        input: str | bytes | bytearray,  # noqa: A002
        *,
        allow_partial: bool | Literal["off", "on", "trailing-strings"] = False,  # noqa: ARG002
        **_: Any,
    ) -> dict[str, Any]:
        text = input if isinstance(input, str) else bytes(input).decode(errors="replace")
        try:
            return self.validate_python(json.loads(text))
        except ValueError:
            return {AS_JSON_TEXT: text}

    def validate_python(
        self,
        input: Any,  # noqa: A002
        *,
        allow_partial: bool | Literal["off", "on", "trailing-strings"] = False,  # noqa: ARG002
        **_: Any,
    ) -> dict[str, Any]:
        return input if isinstance(input, dict) else {AS_JSON_TEXT: input}
