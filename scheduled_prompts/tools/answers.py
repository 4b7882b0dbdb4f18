"""What tools answer with: objects for programs, with a `message` for the model that asked.

What is an argument of the tools goes by the argument's name (`prompt`, `when`), so that what was read can be said
again; all else as `views` names it. Instants are as `views` has them, in the prompt's zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Required

from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from scheduled_prompts.fire import Fire
from scheduled_prompts.money import plain
from scheduled_prompts.policies_words import policies_in_words
from scheduled_prompts.prompt import ScheduledPrompt
from scheduled_prompts.schedule import Cron, Schedule
from scheduled_prompts.scheduler.account import Row
from scheduled_prompts.scheduler.allowances import Allowance
from scheduled_prompts.scheduler.sentences import phrase
from scheduled_prompts.upcoming import Occurrence
from scheduled_prompts.views import approval_view, instant

LONGEST = 2_000
"""How many characters of a result or an error an answer shows."""


class Problem(TypedDict):
    """What was wrong; `hint`: what would be right."""

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
    """When it runs: later than nominal by jitter, or where quiet hours defer it."""
    weekday: str


class Limit(TypedDict):
    """A limit that holds for what the caller makes: by its name in the settings, and how much of it is used."""

    name: str
    most: float
    used: int | None


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
    misfire: str
    max_cost: str | None
    runner: str
    last_fire: str | None
    paused_at: str | None
    pause_reason: str | None
    pause_note: str | None
    version: int
    created_at: str | None
    created_by: str | None
    created_in: str | None
    """The fire in which it was made; null where it was made in none."""
    depth: int
    """How many fires its making is away from one that was made outside."""
    updated_at: str | None
    ended_at: str | None
    approval: str | None
    """`pending`, `approved`, `rejected` or `expired`; null where nobody needs to approve it."""
    approval_why: str | None
    approval_until: str | None
    """When it is cancelled, unless a person approves it before."""
    approval_note: str | None


class FireRecord(TypedDict):
    id: str
    status: str
    reason: str | None
    words: str
    """What became of it."""
    trigger: str
    nominal: str | None
    due: str | None
    started_at: str | None
    ended_at: str | None
    attempt: int
    result: str | None
    error: str | None
    cost: str | None


class AccountRow(TypedDict):
    """One fire, or `number` occurrences (more than that, where not `exact`) with one cause."""

    outcome: str
    first: str | None
    last: str | None
    number: int
    exact: bool
    reason: str | None
    words: str
    fire: str | None


class PromptAnswer(Answer, total=False):
    scheduled_prompt: PromptRecord
    timezone: str
    upcoming: list[Instant]
    """The next times at which it runs."""
    unserved: str | None
    """Why nothing would run it now; null where something would."""


class ScheduledAnswer(PromptAnswer, total=False):
    created: bool
    """False where a living prompt has the same key: that one is shown, unchanged."""
    retimed: bool
    """In a run: the prompt whose run it is has that key, and got the new text and time."""
    differs: list[str]
    """What of that one is not as it was asked for now."""
    limits: list[Limit]


class ShownAnswer(PromptAnswer, total=False):
    policies: list[str]
    """How it runs, in words."""
    fires: list[FireRecord]
    """The last ones, latest first."""


class ListAnswer(Answer, total=False):
    scheduled_prompts: list[PromptRecord]
    cursor: str | None
    """To be given for the next page; null where there is none."""
    limits: list[Limit]


class UpdatedAnswer(PromptAnswer, total=False):
    changed: list[str]


class CancelledAnswer(Answer, total=False):
    scheduled_prompt: PromptRecord
    ended: int
    """How many of its fires waited, and will not run."""
    asked_to_stop: int
    """How many of its fires run, and were asked to stop."""
    still_living: list[str]
    """What was made in its fires, and in the fires of those, and goes on: cancelled one by one."""


class PausedAnswer(PromptAnswer, total=False):
    taken_back: int


class SkippedAnswer(PromptAnswer, total=False):
    occurrence: str | None
    """Which one, by its nominal time."""


class FireAnswer(Answer, total=False):
    fire: FireRecord
    scheduled_prompt: PromptRecord
    unserved: str | None


class PreviewAnswer(Answer, total=False):
    when: str
    timezone: str
    schedule: str
    upcoming: list[Instant]


class FiresAnswer(Answer, total=False):
    scheduled_prompt: PromptRecord
    fires: list[FireRecord]
    cursor: str | None


class ExplainedAnswer(Answer, total=False):
    scheduled_prompt: PromptRecord
    timezone: str
    since: str | None
    until: str | None
    outcomes: dict[str, int]
    """How many occurrences came to what."""
    rows: list[AccountRow]
    conduct: list[str]
    """What its runs made, and what they tried and were refused: sentences."""
    nearest: list[str | None]
    """Where one time was asked for: the occurrences beside it."""


class CleanedAnswer(Answer, total=False):
    deleted_prompts: int
    deleted_fires: int


def prompt_record(prompt: ScheduledPrompt, upcoming: Sequence[Occurrence]) -> PromptRecord:
    from scheduled_prompts.schedule.language.words import describe  # only here: it is slow to import

    zone_name = prompt.timezone
    approval = approval_view(prompt)
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
        "misfire": prompt.misfire,
        "max_cost": None if prompt.max_cost is None else plain(prompt.max_cost),
        "runner": prompt.runner,
        "last_fire": prompt.last_fire,
        "paused_at": instant(prompt.paused_at, zone_name),
        "pause_reason": prompt.pause_reason,
        "pause_note": prompt.pause_note,
        "version": prompt.version,
        "created_at": instant(prompt.created_at, zone_name),
        "created_by": prompt.created_by,
        "created_in": prompt.created_in,
        "depth": prompt.depth,
        "updated_at": instant(prompt.updated_at, zone_name),
        "ended_at": instant(prompt.ended_at, zone_name),
        "approval": approval["state"] if approval else None,
        "approval_why": approval["why"] if approval else None,
        "approval_until": approval["until"] if approval else None,
        "approval_note": prompt.decision_note,
    }


def fire_record(fire: Fire, timezone: str) -> FireRecord:
    return {
        "id": fire.id,
        "status": fire.status.value,
        "reason": fire.reason,
        "words": phrase(Row(fire.status.value, fire.nominal, fire.nominal, fire=fire), timezone),
        "trigger": fire.trigger,
        "nominal": instant(fire.nominal, timezone),
        "due": instant(fire.due, timezone),
        "started_at": instant(fire.started_at, timezone),
        "ended_at": instant(fire.ended_at, timezone),
        "attempt": fire.attempt,
        "result": None if fire.result is None else _cut(fire.result.text),
        "error": _cut(fire.error),
        "cost": None if fire.cost is None else plain(fire.cost),
    }


def account_row(row: Row, timezone: str) -> AccountRow:
    return {
        "outcome": row.outcome,
        "first": instant(row.first, timezone),
        "last": instant(row.last, timezone),
        "number": row.number,
        "exact": row.exact,
        "reason": row.reason,
        "words": phrase(row, timezone),
        "fire": None if row.fire is None else row.fire.id,
    }


def instants(prompt_or_zone: ScheduledPrompt | str, upcoming: Sequence[Occurrence]) -> list[Instant]:
    zone_name = prompt_or_zone if isinstance(prompt_or_zone, str) else prompt_or_zone.timezone
    return [
        {
            "nominal": instant(nominal, zone_name),
            "due": instant(due, zone_name),
            "weekday": f"{datetime.fromisoformat(instant(due, zone_name) or ''):%A}",
        }
        for nominal, due in upcoming
    ]


def limit_records(allowances: Sequence[Allowance]) -> list[Limit]:
    return [{"name": each.name, "most": each.most, "used": each.used} for each in allowances]


def policies_of(prompt: ScheduledPrompt, currency: str) -> list[str]:
    return policies_in_words(prompt, currency)


def called(field: str) -> str:
    """What the tools call a field of a definition."""
    return {"text": "prompt", "schedule": "when"}.get(field, field)


def when_of(schedule: Schedule) -> str:
    """A schedule as it may be said again."""
    from scheduled_prompts.schedule.language.words import describe

    text = describe(schedule)
    if isinstance(schedule, Cron) and text.endswith(")"):  # these words are for people alone
        return schedule.expression
    return text


def of_prompt(prompt: ScheduledPrompt, upcoming: Sequence[Occurrence], unserved: str | None) -> dict[str, Any]:
    """The fields of a PromptAnswer."""
    return {
        "scheduled_prompt": prompt_record(prompt, upcoming),
        "timezone": prompt.timezone,
        "upcoming": instants(prompt, upcoming),
        "unserved": unserved,
    }


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else text[: LONGEST - 1] + "…"
