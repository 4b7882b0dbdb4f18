"""Schedules, durations and distances in time, in words for people.

Where the grammar has words for a schedule, `describe` uses them: what it says can be typed as `--when`
again and gives an equal schedule. Everything else names its cron expression in parentheses, which the
grammar refuses, so that no description is mistaken for a form that means something close to it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scheduled_prompts.schedule.cron_fields import ALIASES
from scheduled_prompts.schedule.kinds import Cron, Interval, Once, RandomWindow, Schedule
from scheduled_prompts.schedule.language.lexer import MONTHS, WEEKDAYS
from scheduled_prompts.schedule.zones import zone

_SECOND_MS = 1_000
_UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", _SECOND_MS))
_SHORT_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", _SECOND_MS))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A longer list of times is easier to read as a cron expression.
_MOST_TIMES = 24
_NTH = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth"}


def describe(schedule: Schedule, *, timezone: str | None = None) -> str:
    """Return a schedule in plain English: `every weekday at 09:00`.

    With `timezone` (an IANA name) the name is appended; an instant is told on that zone's clock, else in UTC.

    Raises:
        UnknownTimezone: an instant is to be told in a zone that the IANA database does not hold.
    """
    match schedule:
        case Once():
            text = _describe_once(schedule, timezone)
        case Interval():
            text = f"every {_spoken_duration(schedule.every_ms)}"
        case Cron():
            text = _describe_cron(schedule)
        case RandomWindow():
            text = _describe_window(schedule)
    return f"{text} {timezone}" if timezone else text


def humanize_duration(ms: int) -> str:
    """Return a length of time (ms) in its two largest units, cut: `1 h 30 min`, `45 s`, `250 ms`."""
    if ms < 0:
        return f"-{humanize_duration(-ms)}"
    if ms < _SECOND_MS:
        return f"{ms} ms"
    for i, (name, unit) in enumerate(_SHORT_UNITS):
        count, rest = divmod(ms, unit)
        if not count:
            continue
        text = f"{count} {name}"
        if i + 1 < len(_SHORT_UNITS):
            smaller_name, smaller_unit = _SHORT_UNITS[i + 1]
            if rest >= smaller_unit:
                text += f" {rest // smaller_unit} {smaller_name}"
        return text
    raise AssertionError("a second is the smallest unit")


def relative(ms_from_now: int) -> str:
    """Return how far off an instant is (ms, negative is past), rounded: `in 3 h`, `2 min ago`, `now`."""
    seconds = (abs(ms_from_now) + _SECOND_MS // 2) // _SECOND_MS
    if seconds == 0:
        return "now"
    text = f"{seconds} s"
    # A unit serves up to twice the next one, or rounding would make “2 h” of an hour and a half. It is chosen after
    # rounding, so that “120 min” never shows.
    for name, unit, smaller, limit in (("min", 60, 1, 120), ("h", 3_600, 60, 120), ("d", 86_400, 3_600, 48)):
        if (seconds + smaller // 2) // smaller < limit:
            break
        text = f"{(seconds + unit // 2) // unit} {name}"
    return f"in {text}" if ms_from_now > 0 else f"{text} ago"


def _describe_once(schedule: Once, timezone: str | None) -> str:
    if schedule.wall is not None:
        return f"once, on {_date_and_time(schedule.wall)}"
    assert schedule.at is not None
    at = (_EPOCH + timedelta(milliseconds=schedule.at)).astimezone(zone(timezone) if timezone else UTC)
    return f"once, on {_date_and_time(at)}{_offset(at)}"


def _date_and_time(when: datetime) -> str:
    weekday = WEEKDAYS[when.weekday()][:3].title()
    precision = "milliseconds" if when.microsecond else "seconds" if when.second else "minutes"
    return f"{weekday} {when:%Y-%m-%d} at {when.time().isoformat(precision)}"


def _offset(at: datetime) -> str:
    offset = at.utcoffset()
    assert offset is not None
    if not offset:
        return "Z"
    sign, size = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, minutes = divmod(size // timedelta(minutes=1), 60)
    return f"{sign}{hours:02}:{minutes:02}"


def _spoken_duration(ms: int) -> str:
    """Return a duration in full: `2 hours`, `hour`, `1 hour 30 minutes`, `24 hours` for a day."""
    if ms == 86_400_000:
        return "24 hours"
    parts = []
    for name, unit in _UNITS:
        count, ms = divmod(ms, unit)
        if count:
            parts.append(f"{count} {name}" + ("s" if count > 1 else ""))
    if ms:
        parts.append(f"{ms} ms")
    text = " ".join(parts)
    return text[2:] if text in ("1 hour", "1 minute", "1 second") else text


def _describe_window(schedule: RandomWindow) -> str:
    count = {1: "once", 2: "twice"}.get(schedule.times, f"{schedule.times} times")
    start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in (schedule.start, schedule.end))
    days = _every(frozenset(schedule.weekdays))
    return f"{count} a day at random between {start} and {end}, {days}"


def _describe_cron(schedule: Cron) -> str:
    if schedule.expression.lstrip().startswith("@"):
        schedule = schedule.model_copy(update={"expression": ALIASES[schedule.expression.strip().lower()]})
    rhythm = ""
    if schedule.every_weeks > 1:
        rhythm = f", every {schedule.every_weeks} weeks counted from {schedule.anchor}"
    own = _in_own_words(schedule)
    if own is not None:
        return own
    return f"{_in_descriptor_words(schedule.expression)}{rhythm} ({schedule.expression}{_which_day(schedule)})"


def _which_day(schedule: Cron) -> str:
    """Return which of the two ways to read two day fields holds: the descriptor does not tell them apart."""
    fields = schedule.expression.split()
    day_of_month, day_of_week = fields[2], fields[-1]
    if "*" in (day_of_month, day_of_week):
        return ""
    if day_of_month.startswith("*") or day_of_week.startswith("*"):
        return ": both days have to match"
    return ": either day counts"


def _in_own_words(schedule: Cron) -> str | None:
    """Return the words that the grammar has for a cron schedule, or None if it has none."""
    fields = schedule.expression.upper().split()
    minutes, hours = _numbers(fields[0], 0, 59), _numbers(fields[1], 0, 23)
    if minutes is None:
        return None
    weekdays = _weekdays(fields[4])
    weekly = weekdays is not None and fields[2:4] == ["*", "*"]
    if fields[1] == "*":
        every_hour = weekly and fields[4] == "*" and schedule.every_weeks == 1
        return f"every hour at {_and([f':{minute:02}' for minute in minutes])}" if every_hour else None
    if hours is None or len(minutes) * len(hours) > _MOST_TIMES:
        return None
    at = "at " + _and([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes])
    if schedule.every_weeks > 1:
        if not weekly or weekdays is None:
            return None
        return f"every {schedule.every_weeks} weeks on {_names(weekdays)} {at}, counted from {schedule.anchor}"
    if weekly and weekdays is not None:
        return f"{_every(weekdays)} {at}"
    return _monthly(fields, at)


def _monthly(fields: list[str], at: str) -> str | None:
    """Return the words for days of some or all months."""
    if fields[4] == "*":
        days = _month_days(fields[2])
    elif fields[2] == "*":
        days = _nth_weekdays(fields[4])
    else:
        return None  # either day counts, which takes more than a phrase
    if days is None:
        return None
    if fields[3] == "*":
        return f"every month on the {days} {at}"
    months = _numbers(fields[3], 1, 12, tuple(name[:3].upper() for name in MONTHS))
    if months is None:
        return None
    names = [MONTHS[month - 1] for month in months]
    if len(names) == 1 and fields[2].isdecimal():
        return f"every year on {names[0]} {int(fields[2])} {at}"
    return f"every {_and(names)} on the {days} {at}"


def _month_days(field: str) -> str | None:
    last = "L" in field.split(",")
    numbered = ",".join(item for item in field.split(",") if item != "L")
    numbers = _numbers(numbered, 1, 31) if numbered else ()
    if numbers is None:
        return None
    return _and([*(_ordinal(number) for number in numbers), *(["last day"] if last else [])])


def _nth_weekdays(field: str) -> str | None:
    named: list[tuple[str, str]] = []
    for item in field.split(","):
        day, _, nth = item.partition("#")
        if not nth and "L" in (item[0], item[-1]):
            day, nth = item.strip("L"), "L"
        numbers = _weekdays(day)
        if numbers is None or len(numbers) != 1 or not nth:
            return None
        named.append((_NTH.get(nth, "last"), WEEKDAYS[min(numbers)]))
    weekdays = {weekday for _, weekday in named}
    if len(weekdays) == 1:
        return f"{_and([nth for nth, _ in named])} {weekdays.pop()}"
    return _and([f"{nth} {weekday}" for nth, weekday in named])


def _weekdays(field: str) -> frozenset[int] | None:
    """Return the days (0 = Monday) that a day-of-week field lists, or None if it is not a plain list."""
    if field == "*":
        return frozenset(range(7))
    names = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
    numbers = _numbers(field, 0, 7, names, ranges=True)
    return None if numbers is None else frozenset((number - 1) % 7 for number in numbers)


def _numbers(
    field: str, low: int, high: int, names: tuple[str, ...] = (), *, ranges: bool = False
) -> tuple[int, ...] | None:
    """Return what a cron field lists, or None if it does more than that; ranges count if `ranges` says so."""
    found: set[int] = set()
    for item in field.split(","):
        first, dash, last = item.partition("-")
        bounds = [_number(end, low, names) for end in ((first, last) if dash else (first, first))]
        if None in bounds or (dash and not ranges):
            return None
        start, end = (bound for bound in bounds if bound is not None)
        if not low <= start <= end <= high:
            return None
        found.update(range(start, end + 1))
    return tuple(sorted(found))


def _number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text in names:
        return names.index(text) + low
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else None


def _every(weekdays: frozenset[int]) -> str:
    return "every day" if len(weekdays) == 7 else f"every {_names(weekdays)}"


def _names(weekdays: frozenset[int]) -> str:
    known = {frozenset(range(5)): "weekday", frozenset((5, 6)): "weekend"}
    return known.get(weekdays) or _and([WEEKDAYS[day] for day in sorted(weekdays)])


def _ordinal(number: int) -> str:
    suffix = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _in_descriptor_words(expression: str) -> str:
    # Slow to import, and few crons need it: those that the grammar has no words for.
    from cron_descriptor import CasingTypeEnum, ExpressionDescriptor, Options
    from cron_descriptor.Exception import FormatError, MissingFieldError, WrongArgumentError

    options = Options(
        casing_type=CasingTypeEnum.LowerCase,
        use_24hour_time_format=True,
        locale_code="en_US",  # given, because the machine's may be unset, which warns, or another language
    )
    try:
        text = str(ExpressionDescriptor(expression, options).get_full_description())
    except (FormatError, MissingFieldError, WrongArgumentError, ValueError):
        return "by a cron expression"
    return text.replace(", or on ", ", on ")  # true of some expressions only: `_which_day` says it for all
