"""The list of all tools, in the order in which a model is shown them."""

from __future__ import annotations

from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.tools import changing, making, seeing
from scheduled_prompts.tools.spec import Tool

ALL: dict[str, Tool] = {
    tool.spec.name: tool
    for tool in (
        making.schedule_prompt,
        seeing.list_scheduled_prompts,
        seeing.get_scheduled_prompt,
        changing.update_scheduled_prompt,
        changing.cancel_scheduled_prompt,
        changing.pause_scheduled_prompt,
        changing.resume_scheduled_prompt,
        changing.run_scheduled_prompt_now,
        changing.skip_occurrence,
        making.preview_schedule,
        seeing.list_fires,
        seeing.explain_scheduled_prompt,
        changing.cleanup_expired_prompts,
    )
}


def of(caller: Caller | None) -> dict[str, Tool]:
    """Those for which a caller has the scope, by name; None: all."""
    return {name: tool for name, tool in ALL.items() if caller is None or tool.spec.scope in caller.scopes}


def scope_of(name: str) -> Scope | None:
    """What a caller needs for a tool; None where there is no such tool."""
    return ALL[name].spec.scope if name in ALL else None
