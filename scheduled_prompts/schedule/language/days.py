"""Reading the days on which something recurs: `every weekday`, `mondays`, `monthly on the last friday`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from scheduled_prompts.schedule.kinds import MAX_EVERY_WEEKS
from scheduled_prompts.schedule.language.clock_times import take_day_number, take_month_and_day, take_number
from scheduled_prompts.schedule.language.lexer import (
    MONTH_NAMES,
    WEEKDAY_NAMES,
    WEEKDAY_PLURALS,
    Words,
    or_list,
    quoted,
    refusal,
)

ALL_DAYS = frozenset(range(7))
WORKING_DAYS = frozenset(range(5))
WEEKEND = frozenset((5, 6))
_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_NTH |= {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5}


@dataclass(frozen=True)
class Days:
    """The days on which something recurs: weekdays (every `weeks` weeks), or days of some months."""

    weekdays: frozenset[int] = ALL_DAYS
    weeks: int = 1
    month_days: tuple[str, ...] = ()  # the cron day-of-month field's items
    nth_weekdays: tuple[str, ...] = ()  # the cron day-of-week field's items
    months: tuple[int, ...] = ()

    @property
    def are_weekdays(self) -> bool:
        """Whether these are plain weekdays, each week: all that a window can have."""
        return self.weeks == 1 and not (self.month_days or self.nth_weekdays or self.months)


def take_days(words: Words) -> Days | None:
    """Read the days on which something recurs, up to their times: `every weekday`, `monthly on the 1st`."""
    before = words.position
    if words.take("every", "each"):
        return _take_every(words)
    if words.take("daily"):
        return Days()
    if words.take("weekly"):
        return _on_weekdays(words, weeks=1)
    if words.take("monthly"):
        return _on_month_days(words)
    if words.take("yearly", "annually"):
        return _on_day_of_year(words)
    words.take("on")
    if words.peek() in WEEKDAY_NAMES and words.peek(1) in ("to", "through"):
        return Days(_take_weekdays(words))
    if words.peek() in ("weekdays", "weekends") or words.peek() in WEEKDAY_PLURALS:
        return Days(_take_weekdays(words))
    named = words.position > before or words.peek() == "the" or not words.peek().isdecimal()
    start = words.position
    if named and (month_days := _take_month_days(words)) is not None:
        if _take_of_every_month(words):
            return month_days
        if words.peek() not in ("of", *MONTH_NAMES):
            rest = words.rest() or "at 9am"
            words.position = start
            days = words.rest().removesuffix(rest).strip()
            raise refusal(
                f"{quoted(words.text)} does not say whether it is meant once or every month",
                f"“every month on {days} {rest}”, or a date such as “2026-12-01 09:00”",
            )
    words.position = before
    return None


def _take_every(words: Words) -> Days:
    """Read what follows “every”."""
    if words.take("day"):
        return Days()
    if words.take("weekend"):
        words.take("day")
        return Days(WEEKEND)
    if words.take("week"):
        return _on_weekdays(words, weeks=1)
    if words.take("month"):
        return _on_month_days(words)
    if words.take("year"):
        return _on_day_of_year(words)
    if words.take("fortnight"):
        return _on_weekdays(words, weeks=2)
    if words.peek() == "other" or (words.peek() == "second" and words.peek(1) in ("week", "day", *WEEKDAY_NAMES)):
        return _every_other(words)
    before = words.position
    if (month_and_day := take_month_and_day(words)) is not None:
        return Days(months=month_and_day[:1], month_days=(str(month_and_day[1]),))
    number = take_number(words)
    if number is not None and words.take("weeks", "week", "wk", "wks", "w"):
        if not 1 <= number <= MAX_EVERY_WEEKS:
            raise refusal(
                f"every {number} weeks is not possible: from 1 to {MAX_EVERY_WEEKS}",
                "“every 2 weeks on friday at 10am”",
            )
        return _on_weekdays(words, weeks=number)
    words.position = before
    if weekdays := _take_weekdays(words):
        return Days(weekdays)
    if months := words.take_list(lambda: MONTH_NAMES.get(words.peek()) and MONTH_NAMES[words.read()]):
        return replace(_on_month_days(words), months=tuple(sorted(set(months))))
    if words.peek().isdecimal() and not words.peek(1):
        forms = [f"every {words.peek()}{unit}" for unit in "smhd"]
        raise refusal(f"{quoted(words.text)} does not say of what", or_list(forms))
    if (month_days := _take_month_days(words)) is not None:
        if _take_of_every_month(words):
            return month_days
        typed = " ".join(words.all[before : words.position])
        forms = [f"every month on the {typed} {words.rest()}".strip()]
        if words.all[before] in ("third", "fourth", "3rd", "4th") and month_days.nth_weekdays:
            weeks = _NTH[words.all[before]]
            forms.append(f"every {weeks} weeks on {words.all[before + 1]} {words.rest()}".strip())
        raise refusal(f"{quoted('every ' + typed)} does not say of what", or_list(forms))
    raise words.refusal_of_next()


def _every_other(words: Words) -> Days:
    words.read()
    if words.take("week"):
        return _on_weekdays(words, weeks=2)
    if weekdays := _take_weekdays(words):
        return Days(weekdays, weeks=2)
    if words.peek() == "day":
        raise refusal(
            f"{quoted(words.text)}: no cron expression means every other day across the ends of months",
            "“every 2 days” (every 48 hours, elapsed), “every monday, wednesday and friday at 9am” "
            "or “every day at 9am”",
        )
    raise words.refusal_of_next()


def _on_weekdays(words: Words, *, weeks: int) -> Days:
    words.take(",")
    words.take("on")
    weekdays = _take_weekdays(words)
    if not weekdays:
        raise refusal(
            f"{quoted(words.text)} does not say on which day of the week",
            _with_inserted(words, "on", "friday"),
        )
    return Days(weekdays, weeks)


def _take_weekdays(words: Words) -> frozenset[int]:
    """Read `monday`, `mon, wed and fri`, `monday to friday`, `weekdays`; empty if there are none."""
    return frozenset().union(*words.take_list(lambda: _take_weekday_range(words)))


def _take_weekday_range(words: Words) -> frozenset[int] | None:
    if words.take("weekday", "weekdays"):
        return WORKING_DAYS
    if words.take("weekend", "weekends"):
        return WEEKEND
    first = _take_weekday(words)
    if first is None:
        return None
    before = words.position
    if words.take("to", "through"):
        last = _take_weekday(words)
        if last is not None:
            return frozenset((first + i) % 7 for i in range((last - first) % 7 + 1))
        words.position = before
    return frozenset((first,))


def _take_weekday(words: Words) -> int | None:
    found = (WEEKDAY_NAMES | WEEKDAY_PLURALS).get(words.peek())
    if found is not None:
        words.read()
    return found


def _on_month_days(words: Words) -> Days:
    words.take(",")
    words.take("on")
    found = _take_month_days(words)
    if found is None:
        raise refusal(f"{quoted(words.text)} does not say on which day", _with_inserted(words, "on", "the", "1st"))
    return found


class _MonthDay(NamedTuple):
    """One item of a list such as “the first and third monday” or “the 1st and the last day”."""

    day: str  # a number or L: of the month, or, with a weekday, how many-th of those in the month
    weekday: int | None
    awaits_weekday: bool  # said in a word (“first”), so that a weekday later in the list may be meant for it too


def _take_month_days(words: Words) -> Days | None:
    """Read `the 1st and 15th`, `the last day`, `the first and third monday`, `the last friday`."""
    before = words.position
    items = words.take_list(lambda: _take_month_day(words))
    if not items:
        words.position = before
        return None
    days: set[str] = set()
    nth_weekdays: set[str] = set()
    weekday: int | None = None
    for item in reversed(items):
        weekday = item.weekday if item.weekday is not None else weekday if item.awaits_weekday else None
        if weekday is None:
            days.add(item.day)
        else:
            cron_day = (weekday + 1) % 7
            nth_weekdays.add(f"L{cron_day}" if item.day == "L" else f"{cron_day}#{item.day}")
    if days and nth_weekdays:
        raise refusal(
            f"{quoted(words.text)} mixes days of the month with weekdays of the month",
            "“every month on the first and third monday at 9am”; for days of both kinds, two prompts",
        )
    if any(day.isdecimal() and not 1 <= int(day) <= 31 for day in days):
        raise refusal(
            f"{quoted(words.text)} names a day that no month has",
            "days go from the 1st to the 31st, or “the last day”",
        )
    in_order = sorted(days, key=lambda day: 99 if day == "L" else int(day))
    return Days(month_days=tuple(in_order), nth_weekdays=tuple(sorted(nth_weekdays)))


def _take_month_day(words: Words) -> _MonthDay | None:
    before = words.position
    words.take("the")
    word = words.peek()
    if word == "last" or word in _NTH:
        words.read()
        nth = "L" if word == "last" else str(_NTH[word])
        if words.peek() in ("weekday", "working", "workday", "business"):
            raise refusal(
                f"{quoted(words.text)}: working days of the month are not supported",
                "“every month on the last friday at 9am”, “every month on the 1st at 9am” "
                "or “every month on the last day at 9am”",
            )
        if (weekday := WEEKDAY_NAMES.get(words.peek())) is not None:
            words.read()
            return _MonthDay(nth, weekday, awaits_weekday=False)
        if words.take("day") or word[0].isdecimal():
            return _MonthDay(nth, None, awaits_weekday=False)
        if words.peek() in ("and", ",", "&"):
            return _MonthDay(nth, None, awaits_weekday=True)
    else:
        words.take("day")
        if (day := take_day_number(words)) is not None:
            return _MonthDay(str(day), None, awaits_weekday=False)
    words.position = before
    return None


def _take_of_every_month(words: Words) -> bool:
    return any(
        words.take_phrase(p) for p in ("of the month", "of every month", "of each month", "every month", "each month")
    )


def _on_day_of_year(words: Words) -> Days:
    words.take(",")
    words.take("on")
    found = take_month_and_day(words)
    if found is None:
        raise refusal(f"{quoted(words.text)} does not say on which date", _with_inserted(words, "on", "december", "24"))
    return Days(months=found[:1], month_days=(str(found[1]),))


def _with_inserted(words: Words, preposition: str, *missing: str) -> str:
    """Return a hint that adds what is missing before the time, if the time is what comes next."""
    if not (words.done or words.peek() == "at" or words.peek()[0].isdecimal()):
        raise words.refusal_of_next()
    has_time = not words.done
    text = words.with_next(preposition, *missing, count=1 if words.put_back(preposition) else 0)
    return f"“{text}”" if has_time else f"“{text} at 9am”"
