"""A cron expression as a set of wall-clock minutes that can be searched forwards and backwards.

There is no zone in this file: what the minutes mean on a clock that is put forward and back is decided in
`readings.py`. croniter does the calendar: it steps from one matching day to the next. It sees one plain
conjunction at a time, in numbers (see `cron_fields.py`), so that none of its own rules about combined days,
zones or wide ranges is relied upon. Hours and minutes are two sorted lists. A day costs some 50 µs to find
and is remembered, since the next question is mostly about the same one.

Day-of-month and day-of-week follow Vixie's rule: if either *starts with* `*` (so `*/2` too) a day has to
match both, else either.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from datetime import date
from functools import lru_cache

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.schedule.cron_fields import ANY_DAY, ANY_WEEKDAY, Field, Fields, read_fields
from scheduled_prompts.schedule.offsets import DAY, MINUTE

_WEEK = 7 * DAY
_LENGTHS = {month: (30,) if month in (4, 6, 9, 11) else (28, 29) if month == 2 else (31,) for month in range(1, 13)}
_PATIENCE = 100 * 366 * DAY  # how far a rhythm of weeks is followed before it counts as never


def check_expression(expression: str) -> None:
    """Raise `InvalidSchedule`, naming the field, unless `expression` is understood and can match."""
    parse(expression)


@lru_cache(maxsize=4096)
def parse(expression: str) -> CronMinutes:
    """The minutes that `expression` matches. Raises `InvalidSchedule`, naming the field that is wrong."""
    fields = read_fields(expression)
    rules = [rule for rule in _day_rules(fields) if _matches_some_day(*rule, fields.month.numbers)]
    if not rules:
        beside = "" if fields.weekday.everything else f" on day-of-week {str(fields.weekday).upper()}"
        raise InvalidSchedule(
            f"day-of-month: month {fields.month} has no day {fields.day}{beside}: this never matches",
            hint="the n-th of a weekday lies within the n-th seven days of its month, the last within the last seven"
            if fields.weekday.marks
            else "February has 29 days at most; April, June, September and November have 30",
        )
    return CronMinutes(fields, _Days(rules, fields.month))


def _day_rules(fields: Fields) -> list[tuple[Field, Field]]:
    """Pairs of day-of-month and day-of-week: a day has to match both of one pair."""
    day, weekday = fields.day, fields.weekday
    if day.starred or weekday.starred:
        return [(day, weekday)]
    return [(day, ANY_WEEKDAY), (ANY_DAY, weekday)]


def _matches_some_day(day: Field, weekday: Field, months: frozenset[int]) -> bool:
    """Whether some year has a date that both fields match: each date falls on each weekday in some year."""
    for length in {length for month in months for length in _LENGTHS[month]}:
        days = {each for each in day.numbers if each <= length} | ({length} if day.marks else set())
        for each in days:
            week, last = (each + 6) // 7, each > length - 7
            if weekday.numbers or any(
                last if mark.startswith("l") else mark.endswith(f"#{week}") for mark in weekday.marks
            ):
                return True
    return False


class _Days:
    """The days, counted from 1970-01-01, that match one of several pairs of day-of-month and day-of-week."""

    def __init__(self, rules: list[tuple[Field, Field]], months: Field) -> None:
        self._searches: list[_Search] = []
        if not months.everything or not any(day.everything and weekday.everything for day, weekday in rules):
            self._searches = [_Search(day, months, weekday) for day, weekday in rules]

    def first_from(self, day: int) -> int | None:
        """The first matching day from `day` on; None if there is none for 50 years."""
        if not self._searches:
            return day
        return min((found for each in self._searches if (found := each.first_from(day)) is not None), default=None)

    def last_upto(self, day: int) -> int | None:
        """The last matching day up to `day`; None if there was none for 50 years."""
        if not self._searches:
            return day
        return max((found for each in self._searches if (found := each.last_upto(day)) is not None), default=None)


class _Search:
    """The days that match one pair: a croniter, and its latest answers.

    Nearly every question is about the same day as the one before it, or follows on it.
    """

    def __init__(self, day: Field, month: Field, weekday: Field) -> None:
        from croniter import croniter  # slow to import, and not all schedules need it

        self._croniter = croniter(f"0 0 {day} {month} {weekday}", 0.0, day_or=False)
        self._lock = threading.Lock()  # a croniter remembers where it is; these are shared by all threads
        # (a, b): the first match from a on is b; the last match up to b is a. Replaced as a whole, so that no lock is
        # needed to read them.
        self._next = self._last = (0, -1)

    def first_from(self, day: int) -> int | None:
        low, high = self._next
        if low <= day <= high:
            return high
        found = self._ask((day * DAY - MINUTE) // 1000, back=False)
        if found is not None:
            self._next = (day, found)
        return found

    def last_upto(self, day: int) -> int | None:
        low, high = self._last
        if low <= day <= high:
            return low
        found = self._ask((day * DAY + MINUTE) // 1000, back=True)
        if found is not None:
            self._last = (found, day)
        return found

    def _ask(self, second: int, *, back: bool) -> int | None:
        from croniter import CroniterBadDateError

        move = self._croniter.get_prev if back else self._croniter.get_next
        try:
            with self._lock:
                return int(move(float, start_time=second)) * 1000 // DAY
        except (CroniterBadDateError, OverflowError, ValueError):
            return None  # nothing within 50 years, or the calendar ends before that


class CronMinutes:
    """The wall-clock minutes that one expression matches, as wall times in ms (see `offsets.py`)."""

    def __init__(self, fields: Fields, days: _Days) -> None:
        # Vixie's "wildcard" jobs are those that follow the clock's every reading rather than a time of day.
        self.fixed_time = not (fields.minute.starred or fields.hour.starred)
        self._days = days
        self._hours = sorted(fields.hour.numbers)
        self._minutes = sorted(fields.minute.numbers)

    def after(self, wall: int) -> int | None:
        """The first matching minute after `wall`; None where the calendar ends."""
        asked, minute = divmod(wall // MINUTE + 1, 1440)
        day = self._days.first_from(asked)
        if day == asked:
            hour, minute = divmod(minute, 60)
            at = bisect_left(self._hours, hour)
            if at < len(self._hours) and self._hours[at] == hour:
                place = bisect_left(self._minutes, minute)
                if place < len(self._minutes):
                    return _wall(day, hour, self._minutes[place])
                at += 1
            if at < len(self._hours):
                return _wall(day, self._hours[at], self._minutes[0])
            day = self._days.first_from(asked + 1)
        return None if day is None else _wall(day, self._hours[0], self._minutes[0])

    def upto(self, wall: int) -> int | None:
        """The last matching minute at or before `wall`; None where the calendar begins."""
        asked, minute = divmod(wall // MINUTE, 1440)
        day = self._days.last_upto(asked)
        if day == asked:
            hour, minute = divmod(minute, 60)
            at = bisect_right(self._hours, hour) - 1
            if at >= 0 and self._hours[at] == hour:
                place = bisect_right(self._minutes, minute) - 1
                if place >= 0:
                    return _wall(day, hour, self._minutes[place])
                at -= 1
            if at >= 0:
                return _wall(day, self._hours[at], self._minutes[-1])
            day = self._days.last_upto(asked - 1)
        return None if day is None else _wall(day, self._hours[-1], self._minutes[-1])


class EveryNthWeek:
    """The minutes of an expression in week 0, n, 2n, … from the week (Monday to Sunday) of `anchor`."""

    def __init__(self, minutes: CronMinutes, every: int, anchor: date) -> None:
        self.fixed_time = minutes.fixed_time
        self._minutes = minutes
        self._every = every
        self._first = _week((anchor - date(1970, 1, 1)).days * DAY)

    def after(self, wall: int) -> int | None:
        """The first matching minute after `wall`; None if there is none within a century."""
        wall = max(wall, _monday(self._first) - 1)
        limit = wall + _PATIENCE
        while (found := self._minutes.after(wall)) is not None and found < limit:
            week = _week(found) - self._first
            if week % self._every == 0:
                return found
            wall = _monday(self._first + week + self._every - week % self._every) - 1
        return None

    def upto(self, wall: int) -> int | None:
        """The last matching minute at or before `wall`; None if there is none since `anchor`'s week."""
        while (found := self._minutes.upto(wall)) is not None and (week := _week(found) - self._first) >= 0:
            if week % self._every == 0:
                return found
            wall = _monday(self._first + week - week % self._every + 1) - 1
        return None


Minutes = CronMinutes | EveryNthWeek


def minutes_of(expression: str, every_weeks: int, anchor: date | None) -> Minutes:
    """The wall-clock minutes of a `Cron` with these fields."""
    minutes = parse(expression)
    if every_weeks == 1 or anchor is None:
        return minutes
    return EveryNthWeek(minutes, every_weeks, anchor)


def check_rhythm(expression: str, every_weeks: int, anchor: date) -> None:
    """Raise `InvalidSchedule` if no match of `expression` ever falls into one of the weeks."""
    if EveryNthWeek(parse(expression), every_weeks, anchor).after(_monday(-1_000_000)) is None:
        raise InvalidSchedule(
            f"no match of {expression!r} falls into the one week in {every_weeks} that counts from {anchor} on",
            hint="choose another anchor or fewer weeks",
        )


def _wall(day: int, hour: int, minute: int) -> int:
    return ((day * 24 + hour) * 60 + minute) * MINUTE


def _week(wall: int) -> int:
    return (wall + 3 * DAY) // _WEEK  # 1970-01-01 was a Thursday


def _monday(week: int) -> int:
    return week * _WEEK - 3 * DAY
