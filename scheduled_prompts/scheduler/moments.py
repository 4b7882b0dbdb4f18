"""Instants as people name them, where something that is there is meant: an occurrence, a fire, a point in time."""

from __future__ import annotations

from datetime import datetime

from scheduled_prompts.errors import InvalidInput, quoted
from scheduled_prompts.ids import short
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import zone
from scheduled_prompts.schedule.kinds import FIRST_INSTANT, LAST_INSTANT
from scheduled_prompts.schedule.spacing import DAY_MS
from scheduled_prompts.schedule.zones import to_instant
from scheduled_prompts.upcoming import coming, due_at, latest_named, next_named, next_occurrence

MINUTE_MS = 60_000
SHOWN = 3
MOST_DIGITS = 20
"""More than any instant has in ms."""
FORMS = "2026-12-01, 2026-12-01T09:00, 2026-12-01T09:00+01:00 or 2026-12-01T09:00 Europe/Berlin"


def instant_from(text: str, timezone: str) -> int:
    """A date, or a date and time, as ms UTC; in `timezone` unless it has an offset or a zone of its own. Raises
    InvalidInput, UnknownTimezone."""
    said = text.strip()
    moment_text, _, last = said.rpartition(" ")
    if moment_text and last[:1].isalpha():
        timezone, said = zone(last).key, moment_text.strip()
    try:
        moment = datetime.fromisoformat(said)
        ms = to_instant(moment, timezone) if moment.tzinfo is None else round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{quoted(text)} is not a date or time", hint=FORMS) from error
    if not FIRST_INSTANT <= ms <= LAST_INSTANT:
        raise InvalidInput(f"{quoted(text)} is out of range", hint="1900 to 9988")
    return ms


def occurrence_named(prompt: ScheduledPrompt, named: str | datetime | int) -> int:
    """The nominal time (ms UTC) of the occurrence that somebody names: `next`, an instant, or a date and time in any
    zone's notation, whose seconds may be left out. Raises InvalidInput, with the next ones, where there is none."""
    if named == "next":
        following = coming(prompt, 1)
        if following:
            return following[0].nominal
        raise _nothing_to_come(prompt)
    first, width = span_named(prompt, named)
    found = _within(prompt, first, first + width) if FIRST_INSTANT <= first <= LAST_INSTANT else None
    if found is None:
        if prompt.status is PromptStatus.EXECUTED:
            raise _nothing_to_come(prompt)
        following = coming(prompt, SHOWN)
        shown = ", ".join(prompt.local(o.nominal).isoformat(sep=" ") for o in following)
        raise InvalidInput(
            f"{quoted(named)} is no occurrence of this prompt", hint=f"the next ones: {shown}" if shown else None
        )
    return found


def _nothing_to_come(prompt: ScheduledPrompt) -> InvalidInput:
    return InvalidInput(
        f"prompt {short(prompt.id)} is {prompt.status}: nothing is to come", hint="its account tells what became of it"
    )


def span_named(prompt: ScheduledPrompt, named: str | datetime | int) -> tuple[int, int]:
    """The first instant (ms UTC) that somebody means, and for how many ms: what is left out may be anything. Raises
    InvalidInput."""
    if isinstance(named, str) and not named.strip().isdecimal():
        first = instant_from(named, prompt.timezone)
        return first, MINUTE_MS if first % MINUTE_MS == 0 else 1000
    if isinstance(named, datetime):
        return to_instant(named, prompt.timezone) if named.tzinfo is None else round(named.timestamp() * 1000), 1
    if (isinstance(named, str) and len(named.strip()) > MOST_DIGITS) or not FIRST_INSTANT <= int(named) <= LAST_INSTANT:
        raise InvalidInput(f"{quoted(named)} is out of range", hint="1900 to 9988")
    return int(named), 1


def _within(prompt: ScheduledPrompt, first: int, end: int) -> int | None:
    """The occurrence whose nominal time, or else whose due time, lies in [first, end)."""
    nominal = next_named(prompt, first - 1, prompt.id)
    if nominal is not None and nominal < end:
        return nominal
    if prompt.quiet_policy == "defer":  # the last of those that are due together
        latest = latest_named(prompt, first - DAY_MS, end - 1, prompt.id)
        if latest is not None and first <= due_at(prompt, latest) < end:
            return latest
    if prompt.jitter_ms:
        earlier = next_occurrence(prompt, first - prompt.jitter_ms - 1)
        while earlier is not None and earlier.nominal < end:
            if first <= due_at(prompt, earlier.nominal) < end:
                return earlier.nominal
            earlier = next_occurrence(prompt, earlier.nominal)
    return None
