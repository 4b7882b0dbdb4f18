"""When a schedule occurs: the one question this package answers, forwards and backwards.

Everything here is a pure function of its arguments. `after`, `until` and results are instants in integer ms
UTC; `timezone` is an IANA name (`UnknownTimezone` otherwise); `seed` is the prompt's id and matters to
random draws only. Results are *nominal* times: `due_of` adds the jitter. The sequence of a schedule does
not depend on where one starts to read it.

Occurrences lie in the years 1900 to 9989; outside of them nothing occurs.
"""

from __future__ import annotations

from functools import lru_cache

from scheduled_prompts.schedule import readings, window_draws
from scheduled_prompts.schedule.cron import Minutes, minutes_of
from scheduled_prompts.schedule.draws import draw
from scheduled_prompts.schedule.kinds import (
    FIRST_INSTANT,
    LAST_INSTANT,
    Cron,
    Interval,
    Once,
    RandomWindow,
    Schedule,
)
from scheduled_prompts.schedule.zones import to_instant, zone


def next_after(schedule: Schedule, after: int, *, timezone: str, seed: str) -> int | None:
    """The first nominal time strictly after `after`; None when nothing is left to come."""
    after = max(after, FIRST_INSTANT)
    if after >= LAST_INSTANT:
        return None
    match schedule:
        case Once():
            instant: int | None = _instant_of(schedule, timezone)
            found = instant if instant is not None and instant > after else None
        case Interval():
            found = schedule.anchor + max(1, (after - schedule.anchor) // schedule.every_ms + 1) * schedule.every_ms
        case Cron():
            found = readings.first_after(_minutes(schedule), zone(timezone), after)
        case RandomWindow():
            found = window_draws.first_after(schedule, zone(timezone), after, seed)
    return found if found is not None and found <= LAST_INSTANT else None


def latest_between(schedule: Schedule, after: int, until: int, *, timezone: str, seed: str) -> int | None:
    """The last nominal time in (after, until], or None. Its cost does not grow with how many lie between."""
    after, until = max(after, FIRST_INSTANT), min(until, LAST_INSTANT)
    if until <= after:
        return None
    match schedule:
        case Once():
            instant = _instant_of(schedule, timezone)
            return instant if after < instant <= until else None
        case Interval():
            count = (until - schedule.anchor) // schedule.every_ms
            instant = schedule.anchor + count * schedule.every_ms
            return instant if count >= 1 and instant > after else None
        case Cron():
            return readings.last_upto(_minutes(schedule), zone(timezone), after, until)
        case RandomWindow():
            return window_draws.last_upto(schedule, zone(timezone), after, until, seed)


def upcoming(schedule: Schedule, after: int, count: int, *, timezone: str, seed: str) -> list[int]:
    """The next `count` nominal times strictly after `after`; fewer when fewer are left."""
    found: list[int] = []
    while len(found) < count:
        instant = next_after(schedule, after, timezone=timezone, seed=seed)
        if instant is None:
            break
        found.append(instant)
        after = instant
    return found


def due_of(nominal: int, *, jitter_ms: int, next_nominal: int | None, seed: str) -> int:
    """`nominal` plus a delay in [0, jitter_ms], fixed by `seed` and `nominal`, short of `next_nominal`.

    Where the next occurrence is near, the delay is drawn from what room there is, rather than cut off:
    prompts of one minute stay spread over it.
    """
    room = jitter_ms if next_nominal is None else min(jitter_ms, next_nominal - nominal - 1)
    if room <= 0:
        return nominal
    return nominal + draw(b"jitter", room + 1, seed, nominal)


def _instant_of(schedule: Once, timezone: str) -> int:
    if schedule.at is not None:
        return schedule.at
    assert schedule.wall is not None  # one of the two is given: `Once` checks it
    return to_instant(schedule.wall, timezone)


@lru_cache(maxsize=4096)
def _minutes(schedule: Cron) -> Minutes:
    return minutes_of(schedule.expression, schedule.every_weeks, schedule.anchor)
