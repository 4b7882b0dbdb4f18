"""Times as models say them, where the meaning is certain: with the zone at the end of the text, and ends of a window in
the words of `when`."""

from __future__ import annotations

import re

from scheduled_prompts.errors import InvalidInput, ScheduledPromptsError
from scheduled_prompts.schedule import Once, next_after, parse_when, zone

_LAST = re.compile(r"\A(?P<rest>.*\S)\s+(?:in\s+)?[(\[]?(?P<zone>UTC|[A-Za-z]+/[A-Za-z_/+\-0-9]+)[)\]]?(?:\s+time)?\Z")


def apart(when: str, timezone: str | None) -> tuple[str, str | None]:
    """The time and its zone, where the text names one and nobody names another: `every day at 9am Europe/Berlin`."""
    found = _LAST.match(when.strip())
    if found is None:
        return when, timezone
    try:
        named = zone(found["zone"]).key
        if timezone is not None and zone(timezone).key != named:
            return when, timezone  # two zones: the grammar says what is right
    except ScheduledPromptsError:
        return when, timezone
    return found["rest"], named


def instant_said(argument: str, said: str | None, now: int, timezone: str) -> int | str | None:
    """`start_at` or `end_at`: a date and time as it is, or the one moment that words such as `in 2 weeks` name (ms
    UTC)."""
    if said is None or re.match(r"\d{4}-", said):
        return said
    try:
        schedule = parse_when(said, now=now, timezone=timezone)
    except ScheduledPromptsError as error:
        raise InvalidInput(f"{argument}: {error.message}", hint=f"{argument}='2030-12-01T09:00'") from error
    if not isinstance(schedule, Once):
        raise InvalidInput(f"{argument}: {said!r} names more than one time", hint=f"{argument}='2030-12-01T09:00'")
    return next_after(schedule, now, timezone=timezone, seed="")
