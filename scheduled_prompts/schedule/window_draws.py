"""Occurrences drawn at random from a daily window.

A window belongs to the local date on which it starts. Its start and end are mapped like fixed times of day:
the first instant that reads them, or the end of the gap. The draws are whole seconds from the start on,
uniform in *elapsed* time over [start, end): a window in which the clock is put back is an hour longer, and
each of its seconds is as likely. A window that a gap swallows is empty, and its date has no occurrence; of
one that a gap shortens to fewer seconds than draws, every second occurs.

As an end at or before the start is on the next day, a window is shorter than a day on the wall clock; so it
ends before the next begins, on the wall and, because the mapping never falls, in time. Occurrences
therefore rise with the date, and none comes twice.
"""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

from scheduled_prompts.schedule.draws import distinct_draws
from scheduled_prompts.schedule.kinds import LAST_INSTANT, RandomWindow
from scheduled_prompts.schedule.offsets import DAY, MINUTE, first_reaching, reading

_SECOND = 1_000


def first_after(window: RandomWindow, zone: ZoneInfo, after: int, seed: str) -> int | None:
    """The first draw after `after` (ms UTC), or None."""
    day = reading(zone, after) // DAY - 2  # a window of the day before that is over in every zone
    while day * DAY <= LAST_INSTANT:
        if _weekday(day) in window.weekdays:
            start, end = _bounds(window, zone, day)
            if end > after:
                for instant in _draws(seed, day, window.times, start, end):
                    if instant > after:
                        return instant
        day += 1
    return None


def last_upto(window: RandomWindow, zone: ZoneInfo, after: int, until: int, seed: str) -> int | None:
    """The last draw in (after, until] (ms UTC), or None."""
    day = reading(zone, until) // DAY + 1  # where the clock was put back, tomorrow may have begun before
    while True:
        start, end = _bounds(window, zone, day)
        if end <= after:
            return None
        if start <= until and _weekday(day) in window.weekdays:
            for instant in reversed(_draws(seed, day, window.times, start, end)):
                if instant <= until:
                    return instant if instant > after else None
        day -= 1


def _bounds(window: RandomWindow, zone: ZoneInfo, day: int) -> tuple[int, int]:
    end = window.end if window.end > window.start else window.end + 1440
    return (
        first_reaching(zone, day * DAY + window.start * MINUTE),
        first_reaching(zone, day * DAY + end * MINUTE),
    )


@lru_cache(maxsize=4096)
def _draws(seed: str, day: int, times: int, start: int, end: int) -> tuple[int, ...]:
    seconds = distinct_draws(b"window", times, (end - start) // _SECOND, seed, day)
    return tuple(start + second * _SECOND for second in seconds)


def _weekday(day: int) -> int:
    return (day + 3) % 7  # 1970-01-01 was a Thursday
