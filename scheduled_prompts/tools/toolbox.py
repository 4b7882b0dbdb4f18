"""All tools over one scheduler: what they are, and their calls, which answer whatever a model did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from scheduled_prompts.caller import Caller
from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.tools import catalogue, exporters
from scheduled_prompts.tools.call import Call
from scheduled_prompts.tools.reading import read_arguments
from scheduled_prompts.tools.refusals import no_such_tool, refusal_with_theirs, unexpected
from scheduled_prompts.tools.spec import ToolSpec

log = structlog.get_logger()

IN_A_FIRE = "'self' is the scheduled prompt whose run this is."

Arguments = Mapping[str, Any] | str | None
"""As a model gave them: an object, or the JSON of one."""


def specs(caller: Caller | None = None) -> list[ToolSpec]:
    """The tools that a caller may use; None: all."""
    return [tool.spec if caller is None else _fit(tool.spec, caller) for tool in catalogue.of(caller).values()]


class Tools:
    """The tools over a scheduler, which is the host's: it opens and closes it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def specs(self, caller: Caller | None = None) -> list[ToolSpec]:
        """The tools that a caller may use; None: all."""
        return specs(caller)

    async def call(self, name: str, arguments: Arguments = None, caller: Caller | None = None) -> dict[str, Any]:
        """Call a tool on behalf of a caller (None: of one that has no owner). The answer says `ok`, and what was done
        or what was wrong. It raises nothing that a model could be the cause of."""
        caller = caller or Caller()
        scheduler = self.scheduler.as_caller(caller)
        try:
            tools = catalogue.of(caller)
            if name not in tools:
                return no_such_tool(name, tools, lacks=catalogue.scope_of(name))
            tool = tools[name]
            given = read_arguments(tool.spec, arguments)
            answer = await tool.handler(Call(scheduler, caller), **given.values)
            return {"ok": True, **answer, **({"notes": given.notes} if given.notes else {})}
        except ScheduledPromptsError as error:
            return await self._refused(name, error, scheduler)
        except Exception:
            log.exception("tool_failed", tool=name, owner=caller.owner, agent=caller.agent)
            return unexpected(name)

    async def _refused(self, name: str, error: ScheduledPromptsError, scheduler: Scheduler) -> dict[str, Any]:
        try:
            return await refusal_with_theirs(error, scheduler)
        except Exception:
            log.exception("tool_failed", tool=name)
            return unexpected(name)

    def bound(self, caller: Caller) -> BoundTools:
        """The same tools in the hands of one caller."""
        return BoundTools(self, caller)

    def openai_chat(self, caller: Caller | None = None, *, strict: bool = False) -> exporters.Exported:
        """For `tools=` of OpenAI's chat completions."""
        return exporters.openai_chat(self.specs(caller), strict=strict)

    def openai_responses(self, caller: Caller | None = None, *, strict: bool = True) -> exporters.Exported:
        """For `tools=` of OpenAI's Responses API."""
        return exporters.openai_responses(self.specs(caller), strict=strict)

    def anthropic(self, caller: Caller | None = None) -> exporters.Exported:
        """For `tools=` of Anthropic's messages."""
        return exporters.anthropic(self.specs(caller))

    def json_schema(self, caller: Caller | None = None) -> exporters.Exported:
        """Names, descriptions, JSON Schema of what goes in and comes out."""
        return exporters.json_schema(self.specs(caller))


class BoundTools:
    """Tools in the hands of one caller: what an agent is given."""

    def __init__(self, tools: Tools, caller: Caller) -> None:
        self._tools = tools
        self.caller = caller

    @property
    def specs(self) -> list[ToolSpec]:
        return self._tools.specs(self.caller)

    async def call(self, name: str, /, arguments: Arguments = None, **more: Any) -> dict[str, Any]:
        """Call a tool; arguments may also be said as keywords. Answers as `Tools.call` does."""
        given = {**arguments, **more} if isinstance(arguments, Mapping) else more if arguments is None else arguments
        return await self._tools.call(name, given, self.caller)

    def for_tool_call(self, tool_call_id: str) -> BoundTools:
        """The same for one tool call of a model: where that is made again, it is answered as it was."""
        return BoundTools(self._tools, self.caller.model_copy(update={"tool_call_id": tool_call_id[:256] or None}))

    def openai_chat(self, *, strict: bool = False) -> exporters.Exported:
        return self._tools.openai_chat(self.caller, strict=strict)

    def openai_responses(self, *, strict: bool = True) -> exporters.Exported:
        return self._tools.openai_responses(self.caller, strict=strict)

    def anthropic(self) -> exporters.Exported:
        return self._tools.anthropic(self.caller)

    def json_schema(self) -> exporters.Exported:
        return self._tools.json_schema(self.caller)


def _fit(spec: ToolSpec, caller: Caller) -> ToolSpec:
    """Without the arguments that the caller could only be refused for; in a fire, with how it may call itself."""
    fit = spec if caller.runners else spec.without("runner")
    return fit if caller.fire is None else fit.with_more_on("id", IN_A_FIRE)
