"""A zone as spans of constant offset, and the two ways between wall clock and instant.

`zoneinfo` answers "which offset now?" but not "until when?", and all of section 7's rules about gaps and
folds are about until when. So a zone is cut here into spans: half-open stretches of instants with one
offset. Within a span wall clock and instant differ by a constant; whatever is special happens between
spans.

An *instant* is integer ms UTC since 1970. A *wall* time is integer ms on the zone's own clock, counted from
its 1970-01-01T00:00: the same arithmetic, no zone attached. Only 1900 to 9989 is covered, which keeps all
datetimes representable in every zone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE = 60_000
DAY = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (a wall time has no zone: that is the point)
_MILLISECOND = timedelta(milliseconds=1)

# A zone is scanned in blocks of this length, when first asked about. A block is cut from the next one even
# where the offset stays the same; every rule below holds for such a seam as for a transition of zero.
_BLOCK = 128 * DAY

# No offset reaches 24 h, so a wall time and its instant differ by less than one day, and two offsets by
# less than two.
_REACH = 2 * DAY


class Span(NamedTuple):
    """Instants from `start` to before `end` (ms UTC) at which the clock is `offset` ms ahead of UTC."""

    start: int
    end: int
    offset: int


def span_at(zone: ZoneInfo, instant: int) -> Span:
    """The span that holds `instant`."""
    for span in _block(zone, instant // _BLOCK):
        if instant < span.end:
            return span
    raise AssertionError("a block covers all of its instants")  # pragma: no cover


def reading(zone: ZoneInfo, instant: int) -> int:
    """The wall time that the zone's clock reads at `instant`."""
    return instant + span_at(zone, instant).offset


def highest_reading(zone: ZoneInfo, instant: int) -> int:
    """The latest wall time that the clock has read at or before `instant`.

    It is the reading itself, except for a while after the clock was put back.
    """
    span = span_at(zone, instant)
    highest = instant + span.offset
    while span.start > instant - _REACH:
        span = span_at(zone, span.start - 1)
        highest = max(highest, span.end + span.offset - 1)
    return highest


def first_reaching(zone: ZoneInfo, wall: int) -> int:
    """The first instant at which the clock reads `wall` or later.

    That is the first instant that reads `wall`, or, if none does, the end of the gap. It never falls as
    `wall` rises.
    """
    span = span_at(zone, wall - DAY)
    while wall >= span.end + span.offset:
        span = span_at(zone, span.end)
    return max(wall - span.offset, span.start)


def wall_of(naive: datetime) -> int:
    """A naive datetime as wall time, cut to whole milliseconds."""
    return (naive.replace(tzinfo=None) - _NAIVE_EPOCH) // _MILLISECOND


def datetime_of(wall: int) -> datetime:
    """A wall time as naive datetime."""
    return _NAIVE_EPOCH + timedelta(milliseconds=wall)


@lru_cache(maxsize=8192)
def _block(zone: ZoneInfo, number: int) -> tuple[Span, ...]:
    start, end = number * _BLOCK, (number + 1) * _BLOCK
    spans: list[Span] = []
    at, offset = start, _offset(zone, start)
    for day in range(start, end, DAY):
        tomorrow = min(day + DAY, end - 1000)  # what changes with the block's end is the next block's affair
        # A day may hold more than one change, as long as they do not undo each other.
        while _offset(zone, tomorrow) != offset:
            transition = _end_of_offset(zone, max(at, day), tomorrow, offset)
            spans.append(Span(at, transition, offset))
            at, offset = transition, _offset(zone, transition)
    spans.append(Span(at, end, offset))
    return tuple(spans)


def _end_of_offset(zone: ZoneInfo, low: int, high: int, offset: int) -> int:
    """The first whole second in (low, high] without `offset`, which holds at `low` and not at `high`."""
    low, high = low // 1000, high // 1000  # zones change on whole seconds
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle * 1000) == offset:
            low = middle
        else:
            high = middle
    return high * 1000


def _offset(zone: ZoneInfo, instant: int) -> int:
    offset = (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always has one
    return offset // _MILLISECOND
