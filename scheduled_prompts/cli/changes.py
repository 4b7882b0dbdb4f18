"""`history --changes`: what was done to a prompt, when, by whom, and from what to what, latest first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.text import Text

from scheduled_prompts.cli.account import REQUESTED, WORDS
from scheduled_prompts.cli.documents import span_view
from scheduled_prompts.cli.moments import absolute, length
from scheduled_prompts.cli.naming import cut, reference
from scheduled_prompts.cli.options import Choices
from scheduled_prompts.cli.output import visible, write_document, write_lines
from scheduled_prompts.cli.session import chosen_settings, command_line, open_scheduler
from scheduled_prompts.cli.tables import Column, table
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.ids import short
from scheduled_prompts.policies import INSTANTS
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Schedule
from scheduled_prompts.schedule.language.words import describe
from scheduled_prompts.scheduler.conduct import made_in_words, refusal_in_words
from scheduled_prompts.store.records import Span

COLUMNS = (Column("TIME"), Column("CHANGE"), Column("BY"), Column("WHAT", flexible=True, spanning=True))
LONGEST_VALUE = 100
UNKNOWN_ZONE = "UTC"
DURATIONS = ("timeout", "jitter", "grace")
MOST = 1000
"""So many are kept."""
_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)


async def changes(choices: Choices, prompt_id: str, *, limit: int, cursor: str | None) -> None:
    if cursor is not None:
        raise InvalidInput("--changes takes no --cursor", hint=f"--limit shows more, up to {MOST:,}")
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"limit={limit} is out of range", hint=f"1 to {MOST:,}")
    async with open_scheduler(chosen_settings(choices)) as scheduler:
        whole_id = await scheduler.resolve(prompt_id)
        [found] = await scheduler.store.read_prompts([whole_id])
        prompt = found if isinstance(found, ScheduledPrompt) else None
        made = changes_of(prompt, await scheduler.spans(whole_id))
    zone_name = UNKNOWN_ZONE if prompt is None else prompt.timezone
    if choices.as_json:
        write_document({"items": [span_view(change, zone_name) for change in made[:limit]], "total": len(made)})
        return
    write_lines(changes_table(made[:limit], zone_name))
    if len(made) > limit:
        words = command_line(choices, "history", short(whole_id), "--changes", "--limit", str(MOST))
        write_lines(f"there are {len(made) - limit:,} more: {words}")


def changes_of(prompt: ScheduledPrompt | None, spans: Sequence[Span]) -> list[Span]:
    """The changes, latest first; the first of all is that it was created."""
    made = [span for span in spans if span.kind != "missed"]
    if prompt is not None:
        made.insert(0, Span("created", prompt.created_at, by=prompt.created_by))
    return made[::-1]


def changes_table(changes: Sequence[Span], timezone: str) -> str:
    return table(COLUMNS, [_cells(change, timezone) for change in changes])


def _cells(change: Span, timezone: str) -> list[tuple[Text, ...]]:
    cells = (
        absolute(change.at, timezone, exact=True),
        WORDS.get(change.kind, change.kind),
        visible(change.by or "", lines=False),
        _where(change) + _what(change, timezone),
    )
    return [(Text(cell),) for cell in cells]


def _where(change: Span) -> str:
    """The fire in which an agent did it, as `fire show` takes it."""
    return "" if change.fire is None else f"in {reference(change.fire)}: "


def _what(change: Span, timezone: str) -> str:
    match change.kind:
        case "edited":
            return "; ".join(
                f"{field.replace('_', ' ')}: {_value(field, before, timezone)} → {_value(field, after, timezone)}"
                for field, (before, after) in change.values.items()
            )
        case "paused":
            reason = "" if change.reason == REQUESTED else (change.reason or "").replace("_", " ")
            return ": ".join(part for part in (reason, visible(change.note or "", lines=False)) if part)
        case "pending":
            return visible(change.reason or "", lines=False)
        case "approved" | "rejected" | "expired" if change.since is not None:
            waited = f"after {length(change.at - change.since)}"
            return ": ".join(part for part in (waited, visible(change.note or "", lines=False)) if part)
        case "quarantined":
            return visible(change.reason or "", lines=False)
        case "resumed" if change.since is not None:
            return f"after {length(change.at - change.since)}"
        case "skip" | "unskip":
            return absolute(change.start, timezone, weekday=True)
        case "retimed":
            return f"next: {absolute(change.start, timezone)} → {absolute(change.end, timezone)}"
        case "cancelled" if change.stood is not None:
            return f"it was {change.stood}"
        case "made":
            return visible(made_in_words(change), lines=False)
        case "refused":
            return visible(refusal_in_words(change), lines=False)
        case "trimmed":
            return f"{change.trimmed:,} before that are not kept"
        case _:
            return ""


def _value(field: str, value: Any, timezone: str) -> str:
    if value is None:
        return "none"
    if field in INSTANTS and isinstance(value, int):
        return absolute(value, timezone, weekday=True)
    if field in DURATIONS and isinstance(value, int | float):
        return length(round(value * 1000))
    if field == "retry_delays" and isinstance(value, list) and all(isinstance(each, int | float) for each in value):
        return ", ".join(length(round(each * 1000)) for each in value) or "none"
    if field == "labels" and isinstance(value, dict):
        return visible(", ".join(f"{key}={text}" for key, text in value.items()), lines=False) or "none"
    if field == "schedule" and isinstance(value, dict):
        try:
            return describe(_SCHEDULE.validate_python(value), timezone=timezone)
        except (ValidationError, InvalidInput):  # a newer release's, or one that was cut
            pass
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return cut(visible(text, lines=False), LONGEST_VALUE)
