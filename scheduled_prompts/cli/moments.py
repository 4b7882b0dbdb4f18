"""Instants, lengths of time and reasons as people read them: relative, and absolute with date and offset."""

from __future__ import annotations

from datetime import date

from scheduled_prompts.fire import Fire
from scheduled_prompts.schedule.language.words import humanize_duration, relative
from scheduled_prompts.views import instant

UNKNOWN = "–"
OVERDUE_AFTER_MS = 1_000
REASONS = {"fire_cancelled": "this fire alone"}
"""Words for reasons that are no words for people."""


def absolute(ms: int | None, timezone: str, *, weekday: bool = False, exact: bool = False) -> str:
    """`2026-12-01 09:00 +01:00`; seconds where there are any, or where it is to be `exact`."""
    text = instant(ms, timezone)
    if text is None:
        return UNKNOWN
    day, clock, offset = text[:10], text[11:19], text[23:]
    if not exact:
        clock = clock.removesuffix(":00") if clock.count(":") == 2 else clock
    name = f"{date.fromisoformat(day):%a} " if weekday else ""
    return f"{name}{day} {clock} {offset}"


def how_far(ms: int | None, now: int) -> str:
    """`in 3 h`, `2 min ago`."""
    return UNKNOWN if ms is None else relative(ms - now)


def coming(ms: int | None, now: int) -> str:
    """Of what is to come: `in 3 h`, or `due 2 min ago`."""
    return f"due {how_far(ms, now)}" if is_overdue(ms, now) else how_far(ms, now)


def is_overdue(ms: int | None, now: int) -> bool:
    return ms is not None and ms < now - OVERDUE_AFTER_MS


def both(ms: int | None, timezone: str, now: int) -> str:
    """`2 min ago, Tue 2026-12-01 09:00 +01:00`."""
    return UNKNOWN if ms is None else f"{how_far(ms, now)}, {absolute(ms, timezone, weekday=True)}"


def length(ms: int | None) -> str:
    """`12 ms`, `1.5 s`, `1 h 30 min`."""
    if ms is None:
        return UNKNOWN
    return f"{ms / 1000:.1f} s" if 1000 <= ms < 60_000 else humanize_duration(ms)


def why(fire: Fire) -> str:
    """A fire's reason in words, where it says more than the status."""
    if fire.reason is None or fire.reason == fire.status:
        return ""
    return REASONS.get(fire.reason) or fire.reason.replace("_", " ")
