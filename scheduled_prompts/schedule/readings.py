"""From the wall-clock minutes that a cron expression matches to the instants at which it occurs.

The rule (DESIGN section 7, Vixie's cron made exact), with M the matching wall-clock minutes:

- *fixed-time*, neither the minute nor the hour field starts with `*`: each m in M gives the first instant
  that reads m, or, if m does not exist, the end of the gap. What falls together is one occurrence. A time
  of day happens once a day.
- *wildcard* otherwise: each m gives every instant that reads m: none, one or two. A rhythm follows the clock.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from scheduled_prompts.schedule.cron import Minutes
from scheduled_prompts.schedule.kinds import LAST_INSTANT
from scheduled_prompts.schedule.offsets import (
    DAY,
    first_reaching,
    highest_reading,
    span_at,
)

_REACH = 2 * DAY  # two offsets of a zone differ by less than this


def first_after(minutes: Minutes, zone: ZoneInfo, after: int) -> int | None:
    """The first occurrence after `after` (ms UTC), or None."""
    if not minutes.fixed_time:
        return _first_reading_after(minutes, zone, after)
    # A minute's first instant lies after `after` if and only if the clock has not come that far yet. In the
    # hour that the clock repeats, that is more than what it reads.
    wall = minutes.after(highest_reading(zone, after))
    return None if wall is None or wall > LAST_INSTANT else first_reaching(zone, wall)


def last_upto(minutes: Minutes, zone: ZoneInfo, after: int, until: int) -> int | None:
    """The last occurrence in (after, until] (ms UTC), or None."""
    if not minutes.fixed_time:
        return _last_reading_upto(minutes, zone, after, until)
    wall = minutes.upto(highest_reading(zone, until))
    if wall is None or wall < after - DAY:
        return None
    instant = first_reaching(zone, wall)
    return instant if instant > after else None


def _first_reading_after(minutes: Minutes, zone: ZoneInfo, after: int) -> int | None:
    at, span = after, span_at(zone, after)
    wall = minutes.after(at + span.offset)  # from here on: the first match after what the clock reads at `at`
    while wall is not None and wall <= LAST_INSTANT:
        if wall - span.offset < span.end:
            return wall - span.offset
        read, entry = at + span.offset, span.end
        if at + _REACH < span.end:
            # What was read is too long ago to be read again, so until a day before the match (no clock is
            # further from UTC) there is nothing: a rare one is not looked for at every change of the clock.
            entry = max(entry, wall - DAY)
        at, span = entry - 1, span_at(zone, entry)
        if not read <= at + span.offset < wall:  # the clock was put back, or forward beyond the match
            wall = minutes.after(at + span.offset)
    return None


def _last_reading_upto(minutes: Minutes, zone: ZoneInfo, after: int, until: int) -> int | None:
    at, span = until, span_at(zone, until)
    wall = minutes.upto(at + span.offset)  # from here on: the last match up to what the clock reads at `at`
    while wall is not None and at > after:
        if wall - span.offset >= span.start:
            return wall - span.offset if wall - span.offset > after else None
        read, entry = at + span.offset, span.start - 1
        if at - _REACH > span.start:
            entry = min(entry, wall + DAY)
        at, span = entry, span_at(zone, entry)
        if not wall <= at + span.offset <= read:
            wall = minutes.upto(at + span.offset)
    return None
