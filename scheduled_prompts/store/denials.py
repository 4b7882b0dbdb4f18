"""What the scripts deny an agent, in words: which rule it is, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from scheduled_prompts.errors import Conflict, Forbidden, LimitReached, ScheduledPromptsError
from scheduled_prompts.limits import cap_reached
from scheduled_prompts.store.acting import Actor

MOST_CHANGES = 100
"""As scripts/prelude/callers.lua has it."""


def raise_where_denied(answer: Sequence[str], actor: Actor) -> None:
    """Raises Forbidden or LimitReached where that is what a script answered."""
    match answer:
        case ["full", cap, limit, *_]:
            raise cap_reached(cap, int(limit))
        case ["births", limit, room_at, *_]:
            raise births_reached(actor, int(limit), int(float(room_at)))
        case ["denied", why, *details]:
            raise denial(why, actor, details)


def births_reached(actor: Actor, limit: int, room_at: int) -> LimitReached:
    owner = None if actor.caller is None else actor.caller.owner
    who = "what has no owner" if owner is None else f"owner {owner!r}"
    at = datetime.fromtimestamp(room_at / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    return LimitReached(
        f"agents have made the {limit:,} prompts within 24 h that they may make for {who} "
        f"([limits] made_per_owner = {limit})",
        hint=f"there is room for another at {at}; until then, change one that is there",
    )


def denial(why: str, actor: Actor, details: Sequence[str] = ()) -> ScheduledPromptsError:
    fire = actor.fire
    match why:
        case "ended":
            return Forbidden(
                f"fire {fire} has ended, or this is not the attempt that runs: what it might do ended with it",
                hint="a fire makes its changes while it runs",
            )
        case "stopped":
            return Forbidden(f"fire {fire} was asked to stop: it may change nothing any more")
        case "stranger":
            return Forbidden(
                "in a fire, what may be changed is the prompt whose fire it is, and what was made in its fires; "
                "this prompt is neither",
                hint=f"in fire {fire} that is prompt {fire[:26] if fire else ''}",
            )
        case "depth":
            depth, most = details
            allowed = f"depth {most} is the most" if int(most) else "a fire makes no prompts"
            return LimitReached(
                f"{allowed} ([limits] max_depth = {most}): what this fire made would have depth {depth}",
                hint="it may re-time itself: schedule with its own key, or edit it",
            )
        case "busy":
            return LimitReached(
                f"a fire may make {MOST_CHANGES} changes, and this attempt made them",
                hint="its next fire may make as many again",
            )
        case "resume":
            return Forbidden(
                "in a fire nothing is resumed: somebody may have paused it to keep it from going on",
                hint="resume it outside of a fire",
            )
        case "paused":
            return Forbidden(
                "the prompt whose fire this is was paused: nothing is made in its fire, or it would go on beside that",
                hint="once it is resumed, its next fire may",
            )
        case "unskip":
            return Forbidden("in a fire nothing is unskipped: somebody may have wanted it skipped")
        case "in_fire":
            return Forbidden("in a fire nothing is run beside its schedule", hint="give it another time instead")
        case "runs":
            return Conflict(
                "a run that was asked for has not ended; an agent has one at a time", hint="wait until it has ended"
            )
    return Forbidden(f"this is denied: {why}")
