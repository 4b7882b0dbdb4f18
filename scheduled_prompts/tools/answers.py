"""What tools answer with: objects for programs, with a `message` for the model that asked.

What is an argument of the tools goes by the argument's name (`prompt`, `when`), so that what was read can be said
again; all else as `views` names it. Instants are as `views` has them, in the prompt's zone.
"""

from __future__ import annotations

from typing import Any, Required

from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from scheduled_prompts.ids import short
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Cron, Schedule, zone
from scheduled_prompts.upcoming import Occurrence
from scheduled_prompts.views import instant

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Problem(TypedDict):
    """What was wrong; `hint`: what would have been right, None where nothing would."""

    code: str
    message: str
    hint: str | None


class Answer(TypedDict, total=False):
    """Every answer. Where `ok` is false there is an `error`, and nothing else."""

    ok: Required[bool]
    message: str
    """In words: what is so now, and what will happen next."""
    notes: list[str]
    """How something that was said otherwise than the schema has it was read."""
    error: Problem


class Instant(TypedDict):
    nominal: str | None
    due: str | None
    weekday: str


class PromptRecord(TypedDict):
    id: str
    name: str | None
    key: str | None
    prompt: str
    status: str
    when: str
    """As it may be said again."""
    timezone: str
    schedule: str
    """The same in words, with the zone."""
    next_at: str | None
    start_at: str | None
    end_at: str | None
    max_fires: int | None
    fired: int
    quiet: str | None
    runner: str
    last_fire: str | None
    pause_note: str | None
    version: int
    created_at: str | None
    created_by: str | None


class PromptAnswer(Answer, total=False):
    scheduled_prompt: PromptRecord
    timezone: str
    upcoming: list[Instant]
    """The next times at which it fires."""
    unserved: str | None
    """Why nobody would fire it now; null where a daemon would."""


class ScheduledAnswer(PromptAnswer, total=False):
    created: bool
    """False where a living prompt has the same key: that one is shown, unchanged."""
    differs: list[str]
    """What of that one is not as it was asked for now."""


class ListAnswer(Answer, total=False):
    scheduled_prompts: list[PromptRecord]
    cursor: str | None
    """To be given for the next page; null where there is none."""


def prompt_record(prompt: ScheduledPrompt, upcoming: list[Occurrence]) -> PromptRecord:
    from scheduled_prompts.schedule.language.words import describe

    zone_name = prompt.timezone
    return {
        "id": prompt.id,
        "name": prompt.name,
        "key": prompt.key,
        "prompt": prompt.text,
        "status": prompt.status.value,
        "when": when_of(prompt.schedule),
        "timezone": zone_name,
        "schedule": describe(prompt.schedule, timezone=zone_name),
        "next_at": instant(upcoming[0].due, zone_name) if upcoming else None,
        "start_at": instant(prompt.start_at, zone_name),
        "end_at": instant(prompt.end_at, zone_name),
        "max_fires": prompt.max_fires,
        "fired": prompt.fired,
        "quiet": prompt.quiet,
        "runner": prompt.runner,
        "last_fire": prompt.last_fire,
        "pause_note": prompt.pause_note,
        "version": prompt.version,
        "created_at": instant(prompt.created_at, zone_name),
        "created_by": prompt.created_by,
    }


def when_of(schedule: Schedule) -> str:
    """A schedule as it may be said again."""
    from scheduled_prompts.schedule.language.words import describe

    text = describe(schedule)
    if isinstance(schedule, Cron) and text.endswith(")"):  # these words are for people alone
        return schedule.expression
    return text


def instants(upcoming: list[Occurrence], timezone: str) -> list[Instant]:
    return [
        {
            "nominal": instant(nominal, timezone),
            "due": instant(due, timezone),
            "weekday": weekday_of(due, timezone),
        }
        for nominal, due in upcoming
    ]


def weekday_of(ms: int, timezone: str) -> str:
    from datetime import UTC, datetime

    return WEEKDAYS[datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone(timezone)).weekday()]


def named(prompt: ScheduledPrompt) -> str:
    """How a message calls a prompt: by its name, its key or the beginning of its text; and by its id."""
    words = prompt.name or prompt.key or shortened(prompt.text)
    return f"“{words}” (id {short(prompt.id)})"


def shortened(text: str, most: int = 40) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def told(value: Any) -> str:
    return "nothing" if value in (None, "", (), {}) else str(value)
