"""The grammar of `--when`: from what people type to a schedule.

It is strict. A text means exactly one thing or it is refused, with what was wrong and the nearest forms
that would have been right: a prompt that fires at a time nobody meant does more harm than a second try.
`docs/when.md` lists the forms.

The text is split into words (`lexer`), which are read from left to right, going back at most to the start
of a phrase: times and dates in `clock_times`, days in `days`, what recurs in `recurring` and
`window_words`, one-shots here.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from pydantic import ValidationError

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.schedule.cron import check_expression
from scheduled_prompts.schedule.cron_fields import ALIASES
from scheduled_prompts.schedule.kinds import Cron, Once, Schedule
from scheduled_prompts.schedule.language.clock_times import (
    CALENDAR_UNITS,
    HORIZON_YEARS,
    Moment,
    read_time,
    spelled,
    take_date,
    take_duration,
    take_offset,
    take_time,
)
from scheduled_prompts.schedule.language.days import take_days
from scheduled_prompts.schedule.language.lexer import (
    MAX_WHEN_LENGTH,
    NUMBER_NAMES,
    WEEKDAY_NAMES,
    Words,
    or_list,
    quoted,
    refusal,
)
from scheduled_prompts.schedule.language.nearest import nearest_forms
from scheduled_prompts.schedule.language.recurring import at_times, read_times, take_recurring
from scheduled_prompts.schedule.language.window_words import read_window
from scheduled_prompts.schedule.zones import zone

_CRON_FIELD = re.compile(
    r"(?:[\d*/,\-#?lwrh]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)+",
    re.ASCII,
)
# With UTC and GMT the offset is known; what these others mean depends on the country and the season.
_ABBREVIATED_ZONES = frozenset(
    (
        "bst",
        "cet",
        "cest",
        "eet",
        "eest",
        "est",
        "edt",
        "cst",
        "cdt",
        "mst",
        "mdt",
        "pst",
        "pdt",
        "ist",
        "jst",
    )
)


def parse_when(text: str, *, now: int, timezone: str) -> Schedule:
    """Return the schedule that a text means, typed at `now` (ms UTC) in `timezone` (an IANA name).

    Raises:
        InvalidSchedule: not understood, ambiguous, impossible or past; the hint says what would be right.
        UnknownTimezone: the zone is not in the IANA database.
    """
    zone(timezone)
    moment = Moment(now, timezone)
    try:
        return _parse(text, moment)
    except InvalidSchedule as error:
        if error.hint is not None:
            raise
        hint = nearest_forms(text, lambda corrected: _parse(corrected, moment), year=moment.local.year + 1)
        raise InvalidSchedule(error.message, hint=hint) from None


def _parse(text: str, moment: Moment) -> Schedule:
    if len(text) > MAX_WHEN_LENGTH:
        raise refusal(
            f"a schedule of {len(text)} characters is too long: at most {MAX_WHEN_LENGTH}",
            "“every day at 9am”",
        )
    typed = " ".join(text.split())
    if not typed:
        raise refusal("the schedule is empty", "“in 20m”, “tomorrow at 9am”, “every weekday at 9:00” or “0 9 * * 1-5”")
    if not typed.isprintable():
        raise refusal(f"{quoted(typed)} holds characters that nobody can see")
    zone_at_end = f" {moment.timezone.lower()}"
    if typed.lower().endswith(zone_at_end):  # it says nothing new: let it pass
        typed = typed[: -len(zone_at_end)]
    try:
        if typed.startswith("@"):
            return _alias(typed)
        if _looks_like_cron(typed):
            return _cron(typed)
        return _sentence(typed, moment)
    except ValidationError as error:
        # The records' own checks are the last line; the grammar's come before them and say more.
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise refusal(f"{quoted(typed)}: {message}") from None


def _alias(typed: str) -> Cron:
    word, _, rest = typed.partition(" ")
    if word.lower() == "@every":
        raise refusal(f"{quoted(typed)} is not one of {', '.join(ALIASES)}", f"“every {rest}”")
    check_expression(typed)
    return Cron(expression=ALIASES[typed.lower()])


def _looks_like_cron(typed: str) -> bool:
    fields = typed.lower().split()
    return all(_CRON_FIELD.fullmatch(field) for field in fields) and (
        len(fields) >= 4 or any("*" in field for field in fields)
    )


def _cron(typed: str) -> Cron:
    fields = typed.split()
    if len(fields) == 5:
        return Cron(expression=typed)
    hint = "“0 9 * * 1-5” is 09:00 from Monday to Friday"
    if len(fields) == 6:
        # Seconds come first in some dialects, years last in others: four digits at the end are a year.
        five = fields[1:] if fields[0].isdecimal() and not re.fullmatch(r"\d{4}", fields[5]) else fields[:5]
        hint = f"without seconds or years: “{' '.join(five)}”"
    raise refusal(
        f"a cron expression has five fields (minute, hour, day of month, month, day of week); "
        f"{quoted(typed)} has {len(fields)}",
        hint,
    )


def _sentence(typed: str, moment: Moment) -> Schedule:
    _refuse_other_zone(typed, moment)
    words = Words(typed)
    if "between" in words.all:
        return read_window(words)
    if words.take("once"):
        words.take(",")
    elif (recurring := take_recurring(words, moment)) is not None:
        return _complete(words, recurring, moment)
    if words.take("in"):
        return _complete(words, _elapsed(words, moment), moment)
    if (elapsed := _from_now(words, moment)) is not None:
        return _complete(words, elapsed, moment)
    return _complete(words, _one_shot(words, moment), moment)


def _complete(words: Words, schedule: Schedule, moment: Moment) -> Schedule:
    """Return the schedule if nothing is left to be read."""
    if words.done:
        return schedule
    if isinstance(schedule, Once) and words.peek() in ("and", "&", ","):
        raise refusal(
            f"{quoted(words.text)} names more than one time; a one-shot has one",
            "make one prompt for each time",
        )
    if take_offset(words) is not None:
        raise _zone_refusal(words.text, moment)
    raise words.refusal_of_next()


def _refuse_other_zone(typed: str, moment: Moment) -> None:
    last = typed.rpartition(" ")[2]
    bare = last.lower().rpartition("[")[2].strip("()]")
    area = bare.partition("/")[0]
    if bare in _ABBREVIATED_ZONES or (area.isalpha() and area != bare):
        raise _zone_refusal(last, moment)


def _zone_refusal(typed: str, moment: Moment) -> InvalidSchedule:
    return refusal(
        f"{quoted(typed)}: the zone is not part of the schedule; times are read in {moment.timezone}",
        "give the zone apart (`--tz Europe/Berlin`), or an instant with offset: “2026-12-01T09:00:00+01:00”",
    )


def _elapsed(words: Words, moment: Moment) -> Once:
    """Read what follows “in”."""
    if words.peek(1) in CALENDAR_UNITS:
        raise _calendar_refusal(words, moment)
    ms = take_duration(words)
    if ms is None:
        raise refusal(
            f"{quoted(words.rest() or words.text)} is not a duration in {quoted(words.text)}",
            or_list([f"{words.text}{unit}" for unit in "smhd"])
            if words.peek().isdecimal() and not words.peek(1)
            else "“in 20m”, “in 2 hours” or “in 1h30m”",
        )
    if ms == 0:
        raise refusal(f"{quoted(words.text)} is not in the future", "the shortest is “in 1s”")
    if not words.done and (words.take("at") or take_time(words)):
        day = moment.wall_of(moment.now + ms).date()
        raise refusal(
            f"{quoted(words.text)}: “in” counts elapsed time and has no time of day",
            f"give the date, “at {day} 09:00”, or the elapsed time alone, “in {spelled(ms)}”",
        )
    return moment.once_at(moment.now + ms)


def _calendar_refusal(words: Words, moment: Moment) -> InvalidSchedule:
    """Return the error for “in 2 months”, with the date that was probably meant."""
    count, unit = words.read(), words.read()
    months = NUMBER_NAMES.get(count, 1)
    if count.isdecimal():
        months = int(count) if len(count) < 5 else 12 * HORIZON_YEARS
    months *= 12 if unit.startswith("y") else 1
    if months >= 12 * HORIZON_YEARS:
        return refusal(f"{quoted(words.text)} goes beyond {HORIZON_YEARS} years", "give a date, “at 2026-12-01 09:00”")
    today = moment.local.date()
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    then = date(year, month + 1, min(today.day, 28))
    return refusal(
        f"{quoted(f'{count} {unit}')} is not a fixed length of time",
        f"give a date, “at {then} 09:00”, or days, “in {(then - today).days} days”",
    )


def _from_now(words: Words, moment: Moment) -> Once | None:
    """Read `20 minutes from now`; refuse other texts that start with a duration, a count or a long number."""
    if len(words.all) == 1 and words.peek().isdecimal() and len(words.peek()) > 2:
        raise refusal(
            f"{quoted(words.text)} is a bare number",
            "write an instant as “2026-12-01T09:00:00Z”, a time as “09:00”",
        )
    before = words.position
    ms = take_duration(words)
    if ms is None:
        words.position = before
        if words.peek() == "twice" or words.peek(1) == "times":
            raise refusal(f"{quoted(words.text)} does not say when", "“3 times a day between 09:00 and 17:00”")
        return None
    if words.done:
        raise refusal(
            f"{quoted(words.text)} could mean once or again and again",
            f"“in {words.text}” (once) or “every {words.text}” (again and again)",
        )
    if words.take_phrase("from now"):
        return moment.once_at(moment.now + ms)
    if words.take("ago"):
        raise refusal(f"{quoted(words.text)} is in the past", f"“in {spelled(ms)}”")
    raise words.refusal_of_next()


def _one_shot(words: Words, moment: Moment) -> Schedule:
    """Read a date or a day with a time, in either order, or a time alone."""
    preposition = words.take("at", "on")
    start = words.position
    day = _take_day(words, moment)
    if day is not None:
        if words.peek() in ("and", "&", ",", "to") and words.peek(1) in WEEKDAY_NAMES:
            named = words.text.lower().removeprefix("on ")
            raise refusal(
                f"{quoted(words.text)} names more than one day; a one-shot has one",
                f"“every {named}”" if words.all[-1] not in WEEKDAY_NAMES else f"“every {named} at 9am”",
            )
        is_date = not {"today", "tomorrow", *WEEKDAY_NAMES}.issuperset(words.all[start : words.position])
        words.take(",")
        words.take("at")
        time_of_day = read_time(words)
        wall = datetime.combine(day, time_of_day)
        # Which day is tomorrow depends on the zone, so only a date makes sense with an offset from UTC.
        if is_date and (offset := take_offset(words)) is not None:
            return moment.once_at_offset(wall, offset)
        is_today = words.all[start] == "today"
        return moment.once_wall(wall, instead=f"“tomorrow at {time_of_day:%H:%M}”" if is_today else None)
    if preposition == "on":
        raise words.refusal_of_next()
    at_time = read_time(words) if preposition else take_time(words)
    if at_time is None:
        raise words.refusal_of_next()
    if words.done:
        if not preposition:
            raise refusal(
                f"{quoted(words.text)} could mean once or every day",
                f"“at {words.text}” (once) or “every day at {words.text}”",
            )
        return moment.once_wall(_next_wall(moment, at_time))
    # The time came first: “9am tomorrow”, “at 9am every weekday”.
    words.take(",")
    before = words.position
    words.take("on")
    day = _take_day(words, moment)
    if day is not None:
        return moment.once_wall(datetime.combine(day, at_time))
    words.position = start
    times = read_times(words)
    words.take(",")
    days = take_days(words)
    if days is None:
        words.position = before
        raise words.refusal_of_next()
    return at_times(words, days, times, moment)


def _next_wall(moment: Moment, time_of_day: time) -> datetime:
    """Return the next wall time after now that reads so: today, or tomorrow if that has passed."""
    today = datetime.combine(moment.local.date(), time_of_day)
    return today if moment.instant_of(today) > moment.now else today + timedelta(days=1)


def _take_day(words: Words, moment: Moment) -> date | None:
    """Read `today`, `tomorrow`, `[next] friday` or a date. A weekday is the next such date after today."""
    today = moment.local.date()
    if words.take("today"):
        return today
    if words.take("tomorrow"):
        return today + timedelta(days=1)
    found = take_date(words, today)
    if found is not None:
        return found
    before = words.position
    words.take("next")
    weekday = WEEKDAY_NAMES.get(words.peek())
    if weekday is None:
        words.position = before
        return None
    words.read()
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)
