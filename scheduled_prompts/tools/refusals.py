"""Errors as answers: what was wrong, and what would be right, with what is the caller's."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import structlog

from scheduled_prompts.caller import Scope
from scheduled_prompts.errors import LimitReached, ScheduledPromptsError, StoreUnreachable, StoreUnusable, quoted
from scheduled_prompts.ids import short
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.tools.language import A_PERSON, hint_of, message_of
from scheduled_prompts.tools.references import LONGEST_SAID, SHOWN, NotYours, listed, living, nearest

log = structlog.get_logger()

LONGEST = 1_000
"""How many characters a message and a hint have at most: what was given may be in them."""
MOST_GIVEN_UP = 10
"""How many of the prompts that fill a limit are named."""


def refusal(error: ScheduledPromptsError) -> dict[str, Any]:
    """The answer to a call that was refused."""
    if isinstance(error, StoreUnreachable):
        log.warning("tool_without_store", error=error.message)
        return answer(
            error.code,
            "the store does not answer; whether anything was changed is not known",
            "wait a little, look with list_scheduled_prompts how it is now, and try again only if it is not done",
        )
    if isinstance(error, StoreUnusable) and not error.message.startswith("prompt "):
        log.error("tool_without_store", error=error.message)
        return answer(error.code, "the store cannot be used now", A_PERSON)
    return answer(error.code, message_of(error.message), hint_of(error.hint))


async def refusal_with_theirs(error: ScheduledPromptsError, scheduler: Scheduler) -> dict[str, Any]:
    """The same, with the prompts of the caller (whose `scheduler` it is) that may have been meant, or be given up."""
    refused = refusal(error)
    if isinstance(error, NotYours):
        refused["error"]["hint"] = await _there_are(scheduler, error.said)
    elif isinstance(error, LimitReached) and " active " in error.message:
        hints = (refused["error"]["hint"], await _to_give_up(scheduler))
        refused["error"]["hint"] = "; ".join(filter(None, hints))
    return refused


def no_such_tool(name: str, known: Iterable[str], *, lacks: Scope | None = None) -> dict[str, Any]:
    """`known`: those that the caller has; `lacks`: the scope that it would need for this one, where there is one."""
    names = list(known)
    yours = f"your tools are: {', '.join(names)}" if names else "you have no tools"
    if lacks is not None:
        return answer("forbidden", f"{name} is not among your tools: it takes the scope {lacks}", yours)
    near = get_close_matches(name[:LONGEST_SAID], names, 1, 0.4)
    return answer("unknown_tool", f"there is no tool {quoted(name)}", f"did you mean {near[0]}?" if near else yours)


def unexpected(name: str) -> dict[str, Any]:
    return answer(
        "internal_error",
        f"{name} failed, and not by your fault; whether anything was changed is not known",
        f"look with list_scheduled_prompts how it is now; if it fails again, {A_PERSON}",
    )


def answer(code: str, message: str, hint: str | None) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": _cut(message), "hint": hint and _cut(hint)}}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


async def _there_are(scheduler: Scheduler, said: str) -> str | None:
    try:
        mine = await living(scheduler)
    except ScheduledPromptsError:  # the scope to look may be missing, and the refusal stands by itself
        return None
    if not mine:
        return "you have no scheduled prompts that have not ended; schedule_prompt makes one"
    shown = ", ".join(listed(prompt) for prompt in nearest(mine, said)[:SHOWN])
    return f"yours are: {shown}{'; list_scheduled_prompts shows all' if len(mine) > SHOWN else ''}"


async def _to_give_up(scheduler: Scheduler) -> str | None:
    """What an agent may cancel where no more fit."""
    try:
        armed = [prompt for prompt in await living(scheduler) if prompt.status.is_armed and prompt.agent is not None]
    except ScheduledPromptsError:
        return None
    if not armed:
        return None
    shown = ", ".join(map(listed, armed[:MOST_GIVEN_UP]))
    example = f'cancel_scheduled_prompt({{"id": "{short(armed[-1].id)}"}})'
    return f"active are: {shown}; for example {example}"
