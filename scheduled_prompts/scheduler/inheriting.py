"""What a fire may not loosen: of the prompt whose fire it is, of what was made in its fires, and of what it makes.

What somebody decided holds for what follows from it. A prompt that is made in a fire begins with all policies of the
prompt whose fire that is; it, and any change that is made in a fire, may be stricter than what was, and never less so.
"""

from __future__ import annotations

from typing import Any

from scheduled_prompts.errors import Forbidden
from scheduled_prompts.policies import Policies
from scheduled_prompts.prompt import FIELDS, Definition

CEILINGS = ("end_at", "max_fires", "max_cost", "budget_day", "budget_total")
"""None is none: any is stricter than that."""
LOWERED = ("timeout", "retries")
ITS_OWN = {"text", "schedule", "timezone", "name", "key", "labels", "start_at", "jitter"}
"""What an agent says of what it asks for, and when."""
SAID_OTHERWISE = {"owner", "agent", "conversation", "platform", "runner"}
"""Whose it is, and who does the work, are bound to who calls."""


def inherited(parent: Definition) -> dict[str, Any]:
    """The policies of what is made in a fire of a prompt, where nothing else is said."""
    return {name: getattr(parent, name) for name in Policies.model_fields if name not in ITS_OWN}


def check_ceilings(before: Definition, after: Definition, *, where: str = "in a fire") -> None:
    """Raises Forbidden where `after` may go on for longer, more often or for more money than `before`."""
    for name in CEILINGS:
        was, becomes = getattr(before, name), getattr(after, name)
        if was is not None and (becomes is None or becomes > was):
            raise _looser(before, name, was, becomes, where)


def check_not_looser(before: Definition, after: Definition) -> None:
    """Raises Forbidden where `after` may do more than `before`."""
    check_ceilings(before, after)
    for name in LOWERED:
        was, becomes = getattr(before, name), getattr(after, name)
        if becomes > was:
            raise _looser(before, name, was, becomes)
    if before.pause_after and not 0 < after.pause_after <= before.pause_after:
        raise _looser(before, "pause_after", before.pause_after, after.pause_after)
    if after.priority_of() > before.priority_of():
        raise _looser(before, "priority", before.priority_of(), after.priority_of())
    if before.quiet_hours is not None:
        for name in ("quiet", "quiet_policy", "timezone"):
            if getattr(before, name) != getattr(after, name):
                raise Forbidden(
                    f"in a fire the quiet hours ({before.quiet}, {before.timezone}) stay as they are: {name}",
                    hint=f"leave out {name}",
                )
    judged = {*CEILINGS, *LOWERED, "pause_after", "priority", "origin", "quiet", "quiet_policy"}
    for name in FIELDS:
        if name in judged | ITS_OWN | SAID_OTHERWISE or getattr(before, name) == getattr(after, name):
            continue
        raise Forbidden(
            f"in a fire, {name} stays {getattr(before, name)!r}: {getattr(after, name)!r} is refused",
            hint=f"leave out {name}",
        )


def _looser(before: Definition, name: str, was: Any, becomes: Any, where: str = "in a fire") -> Forbidden:
    def shown(value: Any) -> str:
        if value is None:
            return "none"
        return before.local(value).isoformat(sep=" ", timespec="seconds") if name == "end_at" else str(value)

    return Forbidden(
        f"{where} no limit is loosened: {name} is {shown(was)}, and would be {shown(becomes)}",
        hint="leave it as it is, or make it stricter",
    )
