"""Reading times of day, dates and durations as people type them, and placing them in a zone.

Two rules keep a prompt from firing at a moment that nobody meant. A bare number is never a time (“at 9” could
be morning or evening), and a day without a year, or a weekday, is the next such *date*, never today.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from scheduled_prompts.schedule.kinds import Once
from scheduled_prompts.schedule.language.lexer import (
    MONTH_NAMES,
    MONTHS,
    NUMBER_NAMES,
    WEEKDAY_NAMES,
    WEEKDAYS,
    Words,
    or_list,
    quoted,
    refusal,
)
from scheduled_prompts.schedule.zones import to_instant, to_wall, zone

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
# What lies further ahead is a slip of the keyboard, and would leave what `datetime` can hold.
HORIZON_YEARS = 100
HORIZON_MS = HORIZON_YEARS * 36525 * DAY_MS // 100
_MAX_DIGITS = 12

UNITS: dict[str, int] = {
    name: ms
    for names, ms in (
        ("s sec secs second seconds", SECOND_MS),
        ("m min mins minute minutes", MINUTE_MS),
        ("h hr hrs hour hours", HOUR_MS),
        ("d day days", DAY_MS),
        ("w wk wks week weeks", WEEK_MS),
    )
    for name in names.split()
}
CALENDAR_UNITS = ("month", "months", "year", "years", "yr", "yrs", "mo")

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: arithmetic on UTC fields
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})", re.ASCII)
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_OTHER_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}(?:[./-]\d{1,4})?\.?", re.ASCII)
_DAY_NUMBER = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,12}\.\d{1,6}", re.ASCII)


@dataclass(frozen=True)
class Moment:
    """When and where something is typed: now (ms UTC) and the zone in which wall times are meant."""

    now: int
    timezone: str

    @property
    def local(self) -> datetime:
        """Now as the wall clock reads, naive."""
        return self.wall_of(self.now)

    def wall_of(self, at: int) -> datetime:
        """Return the wall clock's reading at an instant (ms UTC), naive."""
        return to_wall(at, self.timezone)

    def instant_of(self, wall: datetime) -> int:
        """Return the first instant (ms UTC) at which the clock reads `wall`, or the end of its gap."""
        return to_instant(wall, self.timezone)

    def shown(self, at: int) -> str:
        """Return an instant with date, offset and zone, for messages."""
        aware = datetime.fromtimestamp(at // SECOND_MS, zone(self.timezone))
        return f"{aware:%a} {aware.isoformat(sep=' ')} {self.timezone}"

    def once_at(self, at: int) -> Once:
        """Return the one-shot at an instant.

        Raises:
            InvalidSchedule: the instant is not in the future, or more than a century away.
        """
        self._check_ahead(at)
        return Once(at=at)

    def once_wall(self, wall: datetime, *, instead: str | None = None) -> Once:
        """Return the one-shot at a wall-clock time; `instead` is what to hint at if that has passed.

        Raises:
            InvalidSchedule: it is not in the future, more than a century away, or skipped by the clock.
        """
        at = self.instant_of(self.within_reach(wall))
        exists = self.wall_of(at)
        if exists != wall:
            raise refusal(
                f"{wall:%H:%M} does not exist on {wall:%a %Y-%m-%d} in {self.timezone}: the clock skips it",
                f"“{exists:%Y-%m-%d %H:%M}” is the first time after the gap",
            )
        self._check_ahead(at, instead)
        return Once(wall=wall)

    def once_at_offset(self, wall: datetime, offset: timedelta) -> Once:
        """Return the one-shot at the instant at which a clock this far ahead of UTC reads `wall`.

        Raises:
            InvalidSchedule: as `once_at`.
        """
        return self.once_at((self.within_reach(wall) - _EPOCH - offset) // timedelta(milliseconds=1))

    def within_reach(self, wall: datetime) -> datetime:
        """Return `wall` unless its year is out of reach, which is refused."""
        # Years far off would leave what `datetime` and the zones can hold, so they
        # are refused before any arithmetic.
        shown = f"“{wall.isoformat(' ', 'minutes')}”"
        if wall.year < self.local.year - 1:
            raise refusal(f"{shown} is in the past", "give a time to come, such as “tomorrow at 9am”")
        if wall.year > self.local.year + HORIZON_YEARS:
            raise refusal(f"{shown} is more than {HORIZON_YEARS} years away", "give an earlier time")
        return wall

    def _check_ahead(self, at: int, instead: str | None = None) -> None:
        if at <= self.now:
            raise refusal(
                f"{self.shown(at)} is in the past: it is {self.shown(self.now)}",
                instead or "give a time to come, such as “in 20m” or “tomorrow at 9am”",
            )
        if at - self.now > HORIZON_MS:
            raise refusal(f"{self.shown(at)} is more than {HORIZON_YEARS} years away", "give an earlier time")


def take_time(words: Words) -> time | None:
    """Read a time of day: `9am`, `9:30 pm`, `18:30`, `09:00:30`, `noon`, `midnight` (00:00).

    Raises:
        InvalidSchedule: a number that could be several times, or a time that no clock shows.
    """
    word = words.peek()
    if word in ("noon", "midday", "midnight"):
        words.read()
        return time(0 if word == "midnight" else 12)
    half = words.peek(1) if words.peek(1) in ("am", "pm") else ""
    if match := _CLOCK.fullmatch(word):
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        # Cut, not rounded, to whole milliseconds: all instants are.
        microsecond = int((match[4] or "0").ljust(9, "0")[:3]) * 1000
    elif word.isascii() and word.isdecimal() and len(word) <= 2:
        if not half:
            _refuse_bare_hour(words, int(word))
        hour, minute, second, microsecond = int(word), 0, 0, 0
    else:
        return None
    typed = word + half
    if half:
        if not 1 <= hour <= 12:
            other = f"“{hour:02}:{minute:02}”" if hour < 24 else None
            raise refusal(f"{quoted(typed)} is not a time: with am and pm the hour goes from 1 to 12", other)
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise refusal(f"{quoted(typed)} is not a time of day", "times go from 00:00 to 23:59; “midnight” is 00:00")
    words.read()
    if half:
        words.read()
    return time(hour, minute, second, microsecond)


def _refuse_bare_hour(words: Words, hour: int) -> None:
    typed = words.peek()
    if hour > 23:
        raise refusal(f"{quoted(typed)} is not a time of day", "write “9am”, “18:30”, “noon” or “midnight”")
    forms = [f"{hour}am", f"{hour}pm"] if 1 <= hour <= 12 else []
    forms.append(f"{hour:02}:00")
    raise refusal(
        f"{quoted(typed)} alone is not clear as a time of day in {quoted(words.text)}",
        or_list([words.with_next(form) for form in forms]),
    )


def read_time(words: Words) -> time:
    """Read a time of day, as `take_time`, where nothing else can come."""
    found = take_time(words)
    if found is None:
        if words.done:
            words.put_back("at")
            forms = [words.with_next("at", example, count=2) for example in ("9am", "18:30")]
            raise refusal(f"{quoted(words.text)} names no time of day", f"add one: {or_list(forms)}")
        # A word may be a slip that can be put right; for a number the forms of a time say more.
        hint = None if words.peek().isalpha() else "write “9am”, “18:30”, “noon” or “midnight”"
        raise refusal(f"{quoted(words.peek())} is not a time of day in {quoted(words.text)}", hint)
    return found


def take_offset(words: Words) -> timedelta | None:
    """Read what makes a date and time an instant: `Z`, `UTC`, `+01:00`."""
    if words.take("z", "utc", "gmt"):
        return timedelta(0)
    match = _OFFSET.fullmatch(words.peek())
    if match is None:
        return None
    hours, minutes = int(match[2]), int(match[3])
    if hours > 15 or minutes > 59:
        raise refusal(f"{quoted(words.peek())} is not an offset from UTC", "offsets look like “+01:00”, or “Z” for UTC")
    words.read()
    size = timedelta(hours=hours, minutes=minutes)
    return -size if match[1] == "-" else size


def take_date(words: Words, today: date) -> date | None:
    """Read `2026-12-01`, `Tue 2026-12-01`, `december 24 [2026]` or `24 december [2026]`.

    Without a year it is the next such date after `today`.

    Raises:
        InvalidSchedule: no calendar has the date, the weekday does not fit, or the order is unclear.
    """
    before = words.position
    weekday = WEEKDAY_NAMES.get(words.peek())
    if weekday is not None:
        words.read()
        words.take(",")
    word = words.peek()
    found: date | None = None
    if match := _ISO_DATE.fullmatch(word):
        words.read()
        found = _date(int(match[1]), int(match[2]), int(match[3]), word)
    elif month_and_day := take_month_and_day(words):
        month, day = month_and_day
        words.take(",")
        if _YEAR.fullmatch(words.peek()):
            found = _date(int(words.read()), month, day, f"{MONTHS[month - 1]} {day}")
        else:
            found = next_such_date(month, day, today)
    elif _OTHER_DATE.fullmatch(word) and not _DECIMAL.fullmatch(word):
        raise refusal(f"the order of day and month in {quoted(word)} is not clear", "write dates as “2026-12-01”")
    if found is None:
        words.position = before
        return None
    if weekday is not None and found.weekday() != weekday:
        raise refusal(
            f"{found} is a {WEEKDAYS[found.weekday()].title()}, not a {WEEKDAYS[weekday].title()}",
            f"“{found}” alone, or the date of the {WEEKDAYS[weekday].title()} that is meant",
        )
    return found


def take_month_and_day(words: Words) -> tuple[int, int] | None:
    """Read `december 24`, `dec 24th`, `24 december` or `the 24th of december`, without a year."""
    before = words.position
    words.take("the")
    month = MONTH_NAMES.get(words.peek())
    if month is not None:
        words.read()
        words.take("the")
        if (day := take_day_number(words)) is not None and not words.peek().startswith(":"):
            return month, _checked_day(month, day)
    elif (day := take_day_number(words)) is not None:
        words.take("of")
        month = MONTH_NAMES.get(words.read())
        if month is not None:
            return month, _checked_day(month, day)
    words.position = before
    return None


def take_day_number(words: Words) -> int | None:
    """Read a day of the month as a number: `1`, `1st`, `22nd`."""
    match = _DAY_NUMBER.fullmatch(words.peek())
    if match is None or words.peek(1) in ("am", "pm") or words.peek(1) in UNITS:
        return None
    words.read()
    return int(match[1])


def _checked_day(month: int, day: int) -> int:
    _date(2000, month, day, f"{MONTHS[month - 1]} {day}")  # a leap year: 29 February is a day
    return day


def _date(year: int, month: int, day: int, typed: str) -> date:
    if 1 <= month <= 12 and year > 0 and 1 <= day <= monthrange(year, month)[1]:
        return date(year, month, day)
    hint = "dates look like “2026-12-01”"
    if 1 <= month <= 12 and year > 0:
        hint = f"{MONTHS[month - 1].title()} has {monthrange(year, month)[1]} days"
        hint += f" in {year}" if month == 2 and typed[0].isdecimal() else " at most" if month == 2 else ""
    raise refusal(f"{quoted(typed)} is not a date: there is no such day", hint)


def next_such_date(month: int, day: int, today: date) -> date:
    """Return the next date after `today` with this month and day."""
    year = today.year
    while day > monthrange(year, month)[1] or date(year, month, day) <= today:
        year += 1
    return date(year, month, day)


def take_number(words: Words) -> int | None:
    """Read a whole number in digits or, up to twelve, as a word.

    Raises:
        InvalidSchedule: more digits than anything here can mean.
    """
    word = words.peek()
    if word in NUMBER_NAMES:
        words.read()
        return NUMBER_NAMES[word]
    if not (word.isascii() and word.isdecimal()):
        return None
    if len(word) > _MAX_DIGITS:
        raise refusal(f"{quoted(word)} in {quoted(words.text)} is too large")
    words.read()
    return int(word)


def take_duration(words: Words) -> int | None:
    """Read `20m`, `2 hours`, `1h30m`, `1 hour and 30 minutes`, `an hour`; return ms.

    Raises:
        InvalidSchedule: a fraction, a calendar unit, units out of order, or more than a century.
    """
    total: int | None = None
    last_unit = WEEK_MS + 1
    while True:
        before = words.position
        if total is not None:
            words.take(",")
            words.take("and")
        number, unit = _take_part(words)
        if unit is None:
            words.position = before
            break
        if unit >= last_unit:
            raise refusal(f"the units in {quoted(words.text)} go from large to small, each once", "write “1h30m”")
        total, last_unit = (total or 0) + number * unit, unit
        if total > HORIZON_MS:
            raise refusal(f"{quoted(words.text)} goes beyond {HORIZON_YEARS} years")
    return total


def _take_part(words: Words) -> tuple[int, int | None]:
    """Read one number with its unit; the unit is None when there is none."""
    word, unit_name = words.peek(), words.peek(1)
    if word in ("a", "an") and unit_name in UNITS:
        words.read()
        return 1, UNITS[words.read()]
    if _DECIMAL.fullmatch(word) and unit_name in UNITS:
        ms = round(float(word) * UNITS[unit_name])
        whole = words.with_next(spelled(ms), count=2) if ms % SECOND_MS == 0 else "1h30m"
        raise refusal(f"{quoted(word + ' ' + unit_name)}: durations are written in whole numbers", f"“{whole}”")
    if (word.isdecimal() or word in NUMBER_NAMES or word in ("a", "an")) and unit_name in CALENDAR_UNITS:
        raise refusal(
            f"{quoted(word + ' ' + unit_name)} is not a fixed length of time",
            "give days (“in 60 days”), a date (“at 2026-12-01 09:00”) or “every month on the 1st at 8am”",
        )
    before = words.position
    number = take_number(words)
    if number is None or words.peek() not in UNITS:
        words.position = before
        return 0, None
    return number, UNITS[words.read()]


def spelled(ms: int) -> str:
    """Return a duration of whole seconds the way it is typed: `1h30m`."""
    parts = []
    for letter, unit in (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS)):
        count, ms = divmod(ms, unit)
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"
