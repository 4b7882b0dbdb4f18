"""Quiet hours: times of day on a zone's clock at which nothing is to be due.

An instant is quiet if and only if the clock *reads* a quiet minute then. So whoever looks at the clock when something
fires never sees a quiet time: what a gap skips is not quiet, and what the clock repeats is quiet both times. The end is
the first instant after it that is not quiet, the end of the gap where the clock skips the minute.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from zoneinfo import ZoneInfo

from scheduled_prompts.errors import quoted
from scheduled_prompts.schedule.offsets import DAY, MINUTE, span_at

_PERIOD = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})", re.ASCII)
_MINUTES = 1440
_LONGEST = 512


def canonical(text: str) -> str:
    """`22:00-07:00`, or several with commas, spelled alike however they were typed. Raises ValueError."""
    if len(text) > _LONGEST:
        raise ValueError(f"these are {len(text):,} characters; quiet hours have at most {_LONGEST}")
    periods = [_period(part) for part in text.split(",")]
    covered = _covered(periods)
    if all(covered):
        raise ValueError("these hours are the whole day; `pause` stops a prompt")
    return ",".join(f"{_clock(start)}-{_clock(end)}" for start, end in periods)


def quiet_until(periods: str, zone: ZoneInfo, instant: int) -> int | None:
    """When the quiet hours end (ms UTC) that an instant lies in; None where it is not quiet."""
    end = _forwards(_next_loud(periods), zone, instant)
    return None if end == instant else end


def quiet_since(periods: str, zone: ZoneInfo, instant: int) -> int:
    """The first instant (ms UTC) of the quiet hours that a quiet instant lies in."""
    previous = _last_loud(periods)
    at = instant
    while True:
        span = span_at(zone, at)
        wall = at + span.offset
        back = previous[wall // MINUTE % _MINUTES]
        if not back:
            return at + 1
        # The last millisecond of the loud minute before, or of the span before.
        at = max(wall // MINUTE * MINUTE - (back - 1) * MINUTE - 1 - span.offset, span.start - 1)


def next_quiet(periods: str, zone: ZoneInfo, instant: int) -> int:
    """The first quiet instant (ms UTC) after one that is not quiet; a day later where none is nearer."""
    limit = instant + DAY
    return min(_forwards(_next_quiet(periods), zone, instant, limit), limit)


def _forwards(distances: tuple[int, ...], zone: ZoneInfo, instant: int, limit: float = math.inf) -> int:
    """The first instant (ms UTC) from one on whose minute is 0 minutes away; or one that is not before `limit`."""
    at = instant
    while at < limit:
        span = span_at(zone, at)
        wall = at + span.offset
        minutes = distances[wall // MINUTE % _MINUTES]
        if not minutes:
            break
        at = min(wall // MINUTE * MINUTE + minutes * MINUTE - span.offset, span.end)
    return at


@lru_cache(maxsize=256)
def _next_loud(periods: str) -> tuple[int, ...]:
    """By minute of the day: how many minutes until the first that is not quiet, 0 for itself."""
    return _distances(tuple(not quiet for quiet in _parsed(periods)))


@lru_cache(maxsize=256)
def _last_loud(periods: str) -> tuple[int, ...]:
    """By minute of the day: how many minutes back to the last that is not quiet, 0 for itself."""
    backwards = _distances(tuple(not quiet for quiet in reversed(_parsed(periods))))
    return tuple(reversed(backwards))


@lru_cache(maxsize=256)
def _next_quiet(periods: str) -> tuple[int, ...]:
    return _distances(tuple(_parsed(periods)))


def _distances(wanted: tuple[bool, ...]) -> tuple[int, ...]:
    """For each minute, how far the next wanted one is, round the clock. At least one is wanted."""
    distances = [0] * _MINUTES
    far = next(i for i, is_wanted in enumerate(wanted) if is_wanted) + 1  # from the last minute, over midnight
    for minute in range(_MINUTES - 1, -1, -1):
        far = 0 if wanted[minute] else far
        distances[minute] = far
        far += 1
    return tuple(distances)


def _parsed(periods: str) -> list[bool]:
    return _covered([_period(part) for part in periods.split(",")])


def _covered(periods: list[tuple[int, int]]) -> list[bool]:
    """By minute of the day: whether it is quiet."""
    quiet = [False] * _MINUTES
    for start, end in periods:
        for minute in range(start, end if end > start else end + _MINUTES):
            quiet[minute % _MINUTES] = True
    return quiet


def _period(text: str) -> tuple[int, int]:
    """Minutes of the day, the end (up to 24:00) not included. Raises ValueError."""
    found = _PERIOD.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{quoted(text.strip())} is no time of day from–to, such as 22:00-07:00")
    numbers = [int(number) for number in found.groups()]
    start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if max(numbers[1], numbers[3]) > 59 or start >= _MINUTES or end > _MINUTES:
        raise ValueError(f"{quoted(text.strip())}: the times of a day are 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{quoted(text.strip())} starts and ends at the same time")
    return start, end


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
