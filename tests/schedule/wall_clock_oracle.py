"""The rules of DESIGN section 7, by brute force: a second implementation that shares nothing with the first.

It looks at every UTC minute of a stretch, asks `zoneinfo` what the clock reads then, and applies the
definitions. Only zones whose offsets are whole minutes are looked at.
"""

from __future__ import annotations

import calendar
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Antarctica/Troll",
    "America/Sao_Paulo",
    "UTC",
)


def ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """An instant (ms UTC) by its UTC reading."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


def read_clock(zone: str, instant: int) -> datetime:
    """What the clock reads: `zoneinfo`'s answer, as a naive datetime."""
    return (EPOCH + timedelta(milliseconds=instant)).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


@cache
def transitions(zone: str, first_year: int, last_year: int) -> list[int]:
    """The full hours after which the zone's offset changes, in these years."""
    found = []
    hour, end = ms(first_year, 1, 1), ms(last_year + 1, 1, 1)
    tz = ZoneInfo(zone)
    offset = datetime.fromtimestamp(hour // 1000, tz).utcoffset()
    while hour < end:
        later = datetime.fromtimestamp((hour + 6 * HOUR) // 1000, tz).utcoffset()
        if later != offset:
            found.append(hour)
            offset = later
        hour += 6 * HOUR
    return found


class Stretch:
    """The readings of one zone over [start, end), minute by minute."""

    def __init__(self, zone: str, start: int, end: int) -> None:
        self.zone, self.start, self.end = zone, start, end
        self.instants = range(start, end, MINUTE)
        self.readings = [read_clock(zone, instant) for instant in self.instants]
        self.first: dict[datetime, int] = {}
        for instant, reading in zip(self.instants, self.readings, strict=True):
            self.first.setdefault(reading, instant)

    def first_instant(self, wall: datetime) -> int:
        """The first that reads `wall`, else the end of the gap that swallowed it."""
        if wall in self.first:
            return self.first[wall]
        return next(i for i, reading in zip(self.instants, self.readings, strict=True) if reading > wall)

    def occurrences(self, expression: str) -> list[int]:
        minute, hour, *_ = expression.split()
        matches = matcher(expression)
        if minute.startswith("*") or hour.startswith("*"):
            return [i for i, r in zip(self.instants, self.readings, strict=True) if matches(r)]
        found = set()
        wall, last = self.readings[0], max(self.readings)
        while wall <= last:
            if matches(wall):
                found.add(self.first_instant(wall))
            wall += timedelta(minutes=1)
        return sorted(found)


def around(zone: str, transition: int, hours: int = 4) -> Stretch:
    return _around(zone, transition, 32 if zone == "Pacific/Apia" else hours)


@cache
def _around(zone: str, transition: int, hours: int) -> Stretch:
    return Stretch(zone, transition - hours * HOUR, transition + (hours + 6) * HOUR)


def stretches() -> list[Stretch]:
    """Around all transitions of 2020–2030, around some older and odder ones, and some without any."""
    found = [around(zone, each) for zone in ZONES for each in transitions(zone, 2020, 2030)]
    found += [around("Pacific/Apia", each) for each in transitions("Pacific/Apia", 2011, 2012)]
    found += [around("America/Sao_Paulo", each) for each in transitions("America/Sao_Paulo", 2017, 2019)]
    found += [
        around("UTC", ms(2024, 2, 29)),
        around("UTC", ms(2027, 1, 1)),
        around("America/Sao_Paulo", ms(2025, 12, 31)),
    ]
    return found


def next_of(occurrences: list[int], after: int) -> int | None:
    place = bisect_right(occurrences, after)
    return occurrences[place] if place < len(occurrences) else None


def latest_of(occurrences: list[int], until: int) -> int | None:
    place = bisect_right(occurrences, until)
    return occurrences[place - 1] if place else None


def matcher(expression: str):
    """A predicate on naive datetimes, for numbers, `*`, lists, ranges, steps, `L`, `5L` and `1#2`."""
    minute, hour, *_ = expression.split()
    minutes, hours, date_fits = field_numbers(minute, 0, 59), field_numbers(hour, 0, 23), date_matcher(expression)
    return lambda when: when.minute in minutes and when.hour in hours and date_fits(when.date())


def date_matcher(expression: str):
    """A predicate on dates: what the last three fields say."""
    _, _, day, month, weekday = expression.split()
    months = field_numbers(month, 1, 12)

    def day_fits(when: date) -> bool:
        last = calendar.monthrange(when.year, when.month)[1]
        return any(
            when.day == last if item == "L" else when.day in field_numbers(item, 1, 31) for item in day.split(",")
        )

    def weekday_fits(when: date) -> bool:
        last = calendar.monthrange(when.year, when.month)[1]
        names = {when.isoweekday(), when.isoweekday() % 7}
        for item in weekday.split(","):
            if item.endswith("L"):
                fits = int(item[:-1]) in names and when.day + 7 > last
            elif "#" in item:
                name, nth = item.split("#")
                fits = int(name) in names and (when.day - 1) // 7 + 1 == int(nth)
            else:
                fits = bool(names & field_numbers(item, 0, 7))
            if fits:
                return True
        return False

    both = day.startswith("*") or weekday.startswith("*")

    @cache
    def fits(when: date) -> bool:
        return when.month in months and (all if both else any)((day_fits(when), weekday_fits(when)))

    return fits


@cache
def field_numbers(text: str, low: int, high: int) -> frozenset[int]:
    """What a field lists: numbers, `*`, ranges, steps; `5/15` goes on to the field's end."""
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, dash, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        if step and not dash:
            last = str(high)
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return frozenset(found)
