"""What agents did in the fires of a prompt: what they made, and what they tried to do and were refused. In words."""

from __future__ import annotations

from collections.abc import Sequence

from scheduled_prompts import ids
from scheduled_prompts.prompt import Definition, ScheduledPrompt
from scheduled_prompts.scheduler.authority import DEEDS
from scheduled_prompts.store.records import Span

KINDS = ("made", "refused")


def conduct(prompt: ScheduledPrompt, spans: Sequence[Span], since: int, until: int) -> list[str]:
    """A sentence for each thing of that kind that lies in [since, until), ms UTC, oldest first."""
    return [
        conduct_in_words(span, prompt)
        for span in spans
        if span.kind in KINDS and span.at < until and since <= (span.last or span.at)
    ]


def conduct_in_words(span: Span, prompt: Definition) -> str:
    """`its fire of 2026-12-01 09:00 tried 2 times to schedule a prompt; refused: depth 1 is the most …`."""
    who = f"its {_fire_in_words(span.fire or '', prompt)}"
    if span.kind == "made":
        return f"{who} made {_number(span.times, 'prompt')}: {made_in_words(span)}"
    return f"{who} tried {_tried(span)}; refused: {span.note or 'by a rule'}"


def refusal_in_words(span: Span) -> str:
    """`2 times to schedule a prompt: …`."""
    return f"{_tried(span)}: {span.note or 'by a rule'}"


def _tried(span: Span) -> str:
    often = "" if span.times == 1 else f"{span.times:,} times "
    return f"{often}to {DEEDS.get(span.deed or '', span.deed or 'do something')}"


def made_in_words(span: Span) -> str:
    """The short ids of the prompts."""
    named = ", ".join(ids.short(prompt) for prompt in span.prompts)
    return named if span.times == len(span.prompts) else f"…, {named}"


def origin_in_words(prompt: ScheduledPrompt) -> str:
    """Who made it, and where: `by agent:aide, in a fire of 7XKDM2QP, depth 1`; '' where nobody says."""
    parts = [f"by {prompt.created_by}"] if prompt.created_by else []
    if prompt.created_in is not None:
        parts.append(f"in fire {ids.short(ids.prompt_of(prompt.created_in))}{prompt.created_in[ids.ID_LENGTH :]}")
    if prompt.depth:
        parts.append(f"depth {prompt.depth}")
    return ", ".join(parts)


def _fire_in_words(fire: str, prompt: Definition) -> str:
    nominal = fire[ids.ID_LENGTH + 1 :]
    if fire[ids.ID_LENGTH : ids.ID_LENGTH + 1] != "@" or not nominal.isdecimal():
        return f"manual run {ids.short(fire)}"
    return f"fire of {prompt.local(int(nominal)):%Y-%m-%d %H:%M}"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
