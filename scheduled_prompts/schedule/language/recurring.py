"""Reading what comes again and again: days and times (cron), elapsed intervals, random windows.

A sentence becomes a cron expression only where the two mean the same on every day to come. What would need
more than one expression, or would mean something close to what was typed, is refused with the ways to say
it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from scheduled_prompts.schedule.kinds import Cron, Interval
from scheduled_prompts.schedule.language.clock_times import (
    CALENDAR_UNITS,
    DAY_MS,
    HORIZON_YEARS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Moment,
    read_time,
    spelled,
    take_date,
    take_duration,
    take_number,
    take_time,
)
from scheduled_prompts.schedule.language.days import ALL_DAYS, WORKING_DAYS, Days, take_days
from scheduled_prompts.schedule.language.lexer import (
    MONTHS,
    Words,
    or_list,
    quoted,
    refusal,
)


def take_recurring(words: Words, moment: Moment) -> Cron | Interval | None:
    """Read a recurring schedule that begins with its days or its interval; None if the words do not."""
    if words.take("hourly"):
        return _every_hour(words, moment)
    before = words.position
    if words.take("every", "each"):
        if words.take("hour"):
            return _every_hour(words, moment)
        if (interval := _take_interval(words, moment)) is not None:
            return interval
        words.position = before
    days = take_days(words)
    if days is None:
        return None
    words.take(",")
    return at_times(words, days, read_times(words), moment)


def _every_hour(words: Words, moment: Moment) -> Cron | Interval:
    if words.take_phrase("on the hour"):
        return Cron(expression="0 * * * *")
    if words.done:
        return Interval(every_ms=HOUR_MS, anchor=moment.now)
    words.take("at")
    minutes = words.take_list(lambda: _take_minute(words))
    if not minutes:
        raise refusal(
            f"{quoted(words.peek())} does not say at which minute of the hour in {quoted(words.text)}",
            "“every hour”, “every hour at :15” or “every hour at :00 and :30”",
        )
    return Cron(expression=f"{_joined(set(minutes))} * * * *")


def _take_minute(words: Words) -> int | None:
    word = words.peek()
    digits = word[1:]
    if not (word.startswith(":") and len(digits) == 2 and digits.isascii() and digits.isdecimal()):
        return None
    if int(digits) > 59:
        raise refusal(f"{quoted(word)} is not a minute of the hour", "minutes go from :00 to :59")
    words.read()
    return int(digits)


def _take_interval(words: Words, moment: Moment) -> Interval | None:
    """Read what follows “every” if it is elapsed time and nothing else."""
    alone = {"minute": MINUTE_MS, "second": SECOND_MS}.get(words.peek())
    if alone is not None and (words.peek() == "minute" or not words.peek(1)):
        words.read()
        if not words.done:
            _refuse_interval_with_more(words, alone)
        return Interval(every_ms=alone, anchor=moment.now)
    if words.peek() in ("day", "week", "month", "year") and not words.peek(1):
        unit = words.peek()
        elapsed = {"day": "every 24h", "week": "every 7 days"}.get(unit)
        by_clock = {
            "day": "every day at 9am",
            "week": "every monday at 9am",
            "month": "every month on the 1st at 9am",
            "year": "every year on january 1 at 9am",
        }[unit]
        raise refusal(
            f"{quoted(words.text)} names no time of day", or_list([by_clock, *([elapsed] if elapsed else [])])
        )
    before = words.position
    number = take_number(words)
    if number is not None and words.take("weeks", "week", "wk", "wks", "w") and not words.done:
        words.position = before
        return None  # “every 2 weeks on friday at 10am”
    if number is not None and words.peek() in CALENDAR_UNITS:
        _refuse_calendar_interval(words, number)
    words.position = before
    every_ms = take_duration(words)
    if every_ms is None:
        return None
    if not words.done:
        _refuse_interval_with_more(words, every_ms)
    if every_ms < SECOND_MS:
        raise refusal(f"{quoted(words.text)} is too often: the shortest interval is one second", "“every 1s”")
    return Interval(every_ms=every_ms, anchor=moment.now)


def _refuse_interval_with_more(words: Words, every_ms: int) -> None:
    if every_ms % DAY_MS == 0:
        raise refusal(
            f"{quoted(words.text)}: an interval of days counts elapsed hours and has no time of day",
            f"“every {spelled(every_ms)}” (elapsed), “every day at 9am”, “every monday and thursday at 9am” "
            "or “every 2 weeks on friday at 10am”",
        )
    if words.peek() in ("between", "from", "on", "at", "during"):
        raise refusal(
            f"{quoted(words.text)}: an interval runs around the clock, without {quoted(words.rest())}",
            f"“every {spelled(every_ms)}”, or a cron expression such as “*/15 9-16 * * 1-5”",
        )
    raise words.refusal_of_next()


def _refuse_calendar_interval(words: Words, number: int) -> None:
    unit = words.read()
    typed = f"every {number} {unit}"
    if unit.startswith("mo") and number in (1, 2, 3, 4, 6):
        named = [MONTHS[i] for i in range(0, 12, number)]
        months = "month" if number == 1 else ", ".join(named[:-1]) + " and " + named[-1]
        days = words.rest() or "on the 1st at 9am"
        raise refusal(f"{quoted(typed)} does not say in which months", f"name them: “every {months} {days}”")
    raise refusal(f"{quoted(typed)} is not possible", "“every year on december 24 at 9am”")


def read_times(words: Words) -> list[time]:
    """Read `[at] 9am`, `at 9am and 5pm`, `at 9:00, 12:00 and 17:00`."""
    words.take("at")
    return [read_time(words), *_more_times(words)]


def _more_times(words: Words) -> list[time]:
    more = []
    while True:
        before = words.position
        if not (bool(words.take(",")) | bool(words.take("and", "&"))):
            break
        words.take("at")
        found = take_time(words)
        if found is None:
            words.position = before
            break
        more.append(found)
    return more


def at_times(words: Words, days: Days, times: list[time], moment: Moment) -> Cron:
    """Return the cron schedule for these days and times.

    Raises:
        InvalidSchedule: one expression cannot say it: seconds, or times that are not all hours × all minutes.
    """
    if any(t.second or t.microsecond for t in times):
        raise refusal(f"{quoted(words.text)}: recurring times have no seconds", "write “09:00”")
    hours, minutes = {t.hour for t in times}, {t.minute for t in times}
    if len(hours) * len(minutes) != len({(t.hour, t.minute) for t in times}):
        shown = ", ".join(f"{t:%H:%M}" for t in sorted(set(times)))
        raise refusal(
            f"{shown} do not fit one schedule: several times a day must have the same minute",
            "make one prompt for each time, or give times such as “9:00 and 17:00”",
        )
    day_of_month = ",".join(days.month_days) or "*"
    day_of_week = ",".join(days.nth_weekdays) or _weekday_field(days.weekdays)
    months = _joined(set(days.months)) or "*"
    expression = f"{_joined(minutes)} {_joined(hours)} {day_of_month} {months} {day_of_week}"
    anchor = _take_anchor(words, days, moment)
    if days.weeks == 1:
        return Cron(expression=expression)
    return Cron(
        expression=expression,
        every_weeks=days.weeks,
        anchor=anchor or _first_date(days.weekdays, times, moment),
    )


def _take_anchor(words: Words, days: Days, moment: Moment) -> date | None:
    """Read `, counted from 2026-12-04`: which of the weeks are meant."""
    before = words.position
    words.take(",")
    if days.weeks == 1 or not words.take_phrase("counted from"):
        words.position = before
        return None
    found = take_date(words, moment.local.date())
    if found is None:
        raise words.refusal_of_next()
    if not 1970 <= found.year <= moment.local.year + HORIZON_YEARS:
        raise refusal(
            f"{quoted(words.text)}: weeks are not counted from {found}",
            "give the date of the first occurrence",
        )
    return found


def _first_date(weekdays: frozenset[int], times: list[time], moment: Moment) -> date:
    """Return the date of the first occurrence: “every 2 weeks” is counted from it unless told otherwise."""
    day = moment.local.date()
    while day.weekday() not in weekdays or all(
        moment.instant_of(datetime.combine(day, t)) <= moment.now for t in times
    ):
        day += timedelta(days=1)
    return day


def _weekday_field(weekdays: frozenset[int]) -> str:
    if weekdays == ALL_DAYS:
        return "*"
    if weekdays == WORKING_DAYS:
        return "1-5"
    return _joined({(day + 1) % 7 for day in weekdays})


def _joined(numbers: set[int]) -> str:
    return ",".join(str(number) for number in sorted(numbers))
