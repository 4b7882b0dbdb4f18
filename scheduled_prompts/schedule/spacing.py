"""How near the occurrences of a schedule follow each other: what a minimum interval is judged by."""

from __future__ import annotations

from scheduled_prompts.schedule.cron import minutes_of
from scheduled_prompts.schedule.kinds import MINUTE_MS, Cron, Interval, Once, RandomWindow, Schedule

DAY_MS = 86_400_000
LOOKED_AT = 2_000
"""More than a day has minutes: what a day repeats is seen whole."""
YEARS_MS = 1_461 * DAY_MS
_FROM = 20_454 * DAY_MS  # 2026-01-01, on the clock on the wall


def closer_than(schedule: Schedule, limit_ms: float) -> float | None:
    """A distance (ms) below `limit_ms` at which occurrences follow each other; None where there is none.

    An interval is exact; a cron expression is followed over 2,000 occurrences, or four years, on the clock on the wall
    (when that is put forward or back, some come nearer); the draws of a window count as if they were spread evenly.
    """
    if isinstance(schedule, Once):
        return None
    if isinstance(schedule, Cron):
        return _closer_minutes(schedule, limit_ms)
    distance = schedule.every_ms if isinstance(schedule, Interval) else _mean_of_draws(schedule)
    return distance if distance < limit_ms else None


def _mean_of_draws(window: RandomWindow) -> float:
    length = (window.end - window.start) % 1440 or 1440
    return length * MINUTE_MS / window.times if window.times > 1 else DAY_MS


def _closer_minutes(schedule: Cron, limit_ms: float) -> float | None:
    if limit_ms <= MINUTE_MS:
        return None
    minutes = minutes_of(schedule.expression, schedule.every_weeks, schedule.anchor)
    first = last = minutes.after(_FROM)
    for _ in range(LOOKED_AT):
        following = None if last is None else minutes.after(last)
        if first is None or last is None or following is None or last - first > YEARS_MS:
            return None
        if following - last < limit_ms:
            return following - last
        last = following
    return None
