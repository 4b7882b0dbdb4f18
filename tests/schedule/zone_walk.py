"""What falls where on a zone's clock, found by walking along it: nothing here knows how the package does it.

`zoneinfo` says what the clock reads, and is asked minute by minute (second by second, as far as that matters, where an
offset has seconds). A cron expression is read field by field in the plainest way, and the rules of architecture.md,
section 7, are applied as they are written there. Slow on purpose: whoever has doubts can read it in one go.

Instants are seconds since 1970 UTC; a *wall* time is what the clock reads, counted the same way.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from tests.schedule.wall_clock_oracle import date_matcher, field_numbers

MINUTE, HOUR, DAY = 60, 3_600, 86_400

ZONES = {
    "Africa/Cairo": "changes at midnight, abolished and brought back",
    "Africa/Casablanca": "the clock is put back for Ramadan: four changes a year, negative summer time",
    "Africa/El_Aaiun": "as Casablanca, from another base",
    "Africa/Monrovia": "44 minutes and 30 seconds behind UTC until 1972",
    "America/Caracas": "half an hour back and forth again, for good",
    "America/Havana": "changes at midnight: 00:00 to 01:00",
    "America/New_York": "summer time all the year round in 1974",
    "America/Nuuk": "changes on a Saturday evening; gave up one of its bases in 2023",
    "America/Santiago": "24:00, and dates that move every few years",
    "America/Sao_Paulo": "midnights that do not exist, until 2019",
    "America/Scoresbysund": "base and summer time changed within days in 2024",
    "America/St_Johns": "changes at 00:01 until 2011; two hours in 1988; half an hour beside its neighbours",
    "Antarctica/Casey": "changes its base by two and three hours, back and forth",
    "Antarctica/Troll": "two hours of summer time",
    "Antarctica/Vostok": "two hours back at the end of 2023",
    "Asia/Amman": "the last day of the week; permanent summer time in 2022",
    "Asia/Colombo": "half hours of base",
    "Asia/Dhaka": "summer time in one year only, at 23:00 and 24:00",
    "Asia/Gaza": "changes at 00:01, 01:00 and 24:00; Ramadan up to 2086",
    "Asia/Kathmandu": "a quarter of an hour, in 1986",
    "Asia/Pyongyang": "half an hour, 2015 to 2018",
    "Asia/Tehran": "24:00, half hours, two changes of base",
    "Atlantic/Azores": "two steps of base; 00:00 to 01:00 on the last Sunday",
    "Australia/Adelaide": "a half hour's base",
    "Australia/Lord_Howe": "30 minutes of summer time, 60 before 1985",
    "Europe/Berlin": "what most people know",
    "Europe/Dublin": "negative summer time; British Standard Time until 1971",
    "Europe/Moscow": "changes of base in 2011 and 2014",
    "Europe/Volgograd": "changes of base, the last in 2020",
    "Pacific/Apia": "2011-12-30 does not exist",
    "Pacific/Chatham": "a quarter of an hour beside the hour, at 02:45",
    "Pacific/Fakaofo": "2011-12-30 does not exist, and nothing else ever happens",
    "Pacific/Kiritimati": "a day that does not exist at the end of 1994, and 20 minutes",
    "Pacific/Kwajalein": "1993-08-21 does not exist",
    "Pacific/Norfolk": "half an hour of base, and summer time since 2019",
    "UTC": "nothing ever happens",
}


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """An instant by its UTC reading; as well, a wall time by what is read."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


def offset_at(zone: str, instant: int) -> int:
    """How many seconds the clock is ahead of UTC."""
    offset = datetime.fromtimestamp(instant, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return offset // timedelta(seconds=1)


@cache
def changes(zone: str, first_year: int = 1970, last_year: int = 2037) -> tuple[int, ...]:
    """The first seconds of each new offset in these years. Changes that undo each other within 2 h would be missed."""
    found = []
    low, end = at(first_year, 1, 1), at(last_year + 1, 1, 1)
    offset = offset_at(zone, low)
    for instant in range(low + 2 * HOUR, end, 2 * HOUR):
        if offset_at(zone, instant) != offset:
            before, after = instant - 2 * HOUR, instant
            while after - before > 1:
                middle = (before + after) // 2
                if offset_at(zone, middle) == offset:
                    before = middle
                else:
                    after = middle
            found.append(after)
            offset = offset_at(zone, instant)
    return tuple(found)


class Walk:
    """What a zone's clock reads from `start` to before `end`, and two days more on either side."""

    def __init__(self, zone: str, start: int, end: int) -> None:
        self.zone, self.start, self.end = zone, start, end
        first, last = start - 2 * DAY, end + 2 * DAY
        offsets = {offset_at(zone, each) for each in range(first, last, HOUR)} | {offset_at(zone, last)}
        step = math.gcd(MINUTE, *offsets)  # all offsets, and so all whole minutes of the clock, are multiples of it
        tz = ZoneInfo(zone)
        self.instants = range(first - first % MINUTE, last, step)
        self.walls = [
            each + datetime.fromtimestamp(each, tz).utcoffset() // timedelta(seconds=1) for each in self.instants
        ]
        self._highest = list(accumulate(self.walls, max))
        self._first: dict[int, int] = {}
        for instant, wall in zip(self.instants, self.walls, strict=True):
            self._first.setdefault(wall, instant)

    def first_instant(self, wall: int) -> int:
        """The first that reads `wall`; where none does, the end of the gap that swallowed it."""
        if wall in self._first:
            return self._first[wall]
        return self.instants[bisect_right(self._highest, wall)]

    def occurrences(self, expression: str, every_weeks: int = 1, anchor: date | None = None) -> list[int]:
        """The instants from `start` to before `end` at which a cron occurs."""
        minute, hour, *_ = expression.split()
        walls = self._matching_walls(expression, every_weeks, anchor)
        if minute.startswith("*") or hour.startswith("*"):
            matching = set(walls)
            found = {each for each, wall in zip(self.instants, self.walls, strict=True) if wall in matching}
        else:
            found = {self.first_instant(wall) for wall in walls}
        return sorted(each for each in found if self.start <= each < self.end)

    def _matching_walls(self, expression: str, every_weeks: int, anchor: date | None) -> list[int]:
        minute, hour, *_ = expression.split()
        fits = date_matcher(expression)
        times = [
            each_hour * HOUR + each_minute * MINUTE
            for each_hour in sorted(field_numbers(hour, 0, 23))
            for each_minute in sorted(field_numbers(minute, 0, 59))
        ]
        low, high = min(self.walls), max(self.walls)
        found = []
        for midnight in range(low - low % DAY, high, DAY):
            day = wall_date(midnight)
            if fits(day) and (anchor is None or _counts(day, every_weeks, anchor)):
                found += [midnight + time for time in times if low <= midnight + time <= high]
        return found

    def window(self, midnight: int, start: int, end: int) -> tuple[int, int]:
        """[start, end) of the window (minutes of the day) that belongs to the date that begins at `midnight`."""
        length = (end - start) % 1440 or 1440
        return (
            self.first_instant(midnight + start * MINUTE),
            self.first_instant(midnight + (start + length) * MINUTE),
        )

    def midnights(self) -> list[int]:
        """Those of all dates whose windows, which may end a day later, lie within what is walked."""
        low, high = min(self.walls) // DAY + 1, max(self.walls) // DAY - 1
        return [day * DAY for day in range(low, high)]

    def quiet(self, periods: str) -> list[bool]:
        """For each instant walked, whether the clock reads a time of day within one of the periods."""
        bounds = [tuple(_minute_of_day(end) for end in period.split("-")) for period in periods.split(",")]
        minutes = [
            any(start <= minute < end if start < end else minute >= start or minute < end for start, end in bounds)
            for minute in range(1440)
        ]
        return [minutes[wall // MINUTE % 1440] for wall in self.walls]


@lru_cache(maxsize=64)
def walk_around(zone: str, change: int, hours: int) -> Walk:
    """So many hours to either side of a change of the clock, on whole minutes."""
    return Walk(zone, change - change % MINUTE - hours * HOUR, change - change % MINUTE + hours * HOUR)


def wall_date(wall: int) -> date:
    return date(1970, 1, 1) + timedelta(days=wall // DAY)


def _counts(day: date, every_weeks: int, anchor: date) -> bool:
    monday, first = day - timedelta(days=day.weekday()), anchor - timedelta(days=anchor.weekday())
    return monday >= first and (monday - first).days // 7 % every_weeks == 0


def _minute_of_day(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
