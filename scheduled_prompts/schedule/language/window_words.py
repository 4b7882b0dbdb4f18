"""Reading random windows: `3 times between 09:00 and 17:00`, `every weekday between 9am and 11am`."""

from __future__ import annotations

from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.schedule.kinds import MAX_WINDOW_TIMES, RandomWindow
from scheduled_prompts.schedule.language.clock_times import DAY_MS, UNITS, read_time, take_number
from scheduled_prompts.schedule.language.days import Days, take_days
from scheduled_prompts.schedule.language.lexer import WEEKDAY_NAMES, Words, or_list, quoted, refusal

_SHORT_UNITS = frozenset(name for name, ms in UNITS.items() if ms < DAY_MS)


def read_window(words: Words) -> RandomWindow:
    """Read a text that holds “between”: its window, how many times, on which days, in any order.

    Without days it is every day, without a number once.

    Raises:
        InvalidSchedule: a single day (windows recur), an empty window, seconds, too many times.
    """
    window: tuple[int, int] | None = None
    times: int | None = None
    days: Days | None = None
    while not words.done:
        words.take(",")
        if words.take("randomly") or any(
            words.take_phrase(phrase) for phrase in ("at random times", "at a random time", "at random")
        ):
            continue
        if window is None and words.take("between"):
            window = _read_bounds(words)
        elif words.peek() in ("every", "each") and (
            words.peek(1) in ("hour", "minute") or words.peek(2) in _SHORT_UNITS
        ):
            raise _stepped(words)
        elif times is None and (count := _take_count(words)) is not None:
            times = count
        elif days is None:
            days = _read_window_days(words)
        else:
            raise words.refusal_of_next()
    if window is None:
        raise words.refusal_of_next()
    weekdays = tuple(sorted((days or Days()).weekdays))
    return RandomWindow(times=times or 1, start=window[0], end=window[1], weekdays=weekdays)


def _stepped(words: Words) -> InvalidSchedule:
    """Return the error for “every 15 minutes between 9am and 5pm”, with the cron expression that says it."""
    hint = "a cron expression says this: “*/15 9-16 * * *” is every 15 minutes from 09:00 to 16:45"
    return refusal(f"{quoted(words.text)}: “between” is a window to draw random times from, not a limit", hint)


def _read_bounds(words: Words) -> tuple[int, int]:
    start = _read_minute(words)
    if not words.take("and"):
        raise refusal(f"{quoted(words.text)} is not a window", "“between 09:00 and 17:00”")
    end_of_day = words.take("24:00", "midnight")
    end = 24 * 60 if end_of_day else _read_minute(words)
    if start == end:
        raise refusal(
            f"{quoted(words.text)}: a window that starts and ends at the same minute is empty",
            "the whole day is “between 00:00 and 24:00”",
        )
    return start, end


def _read_minute(words: Words) -> int:
    found = read_time(words)
    if found.second or found.microsecond:
        raise refusal(f"{quoted(words.text)}: a window has no seconds", "“between 09:00 and 17:00”")
    return found.hour * 60 + found.minute


def _take_count(words: Words) -> int | None:
    """Read `3 times`, `once`, `twice`, each with or without “a day”."""
    before = words.position
    if words.peek() in ("once", "twice"):
        count = 1 if words.read() == "once" else 2
    else:
        number = take_number(words)
        if number is None or not words.take("times", "time"):
            words.position = before
            return None
        count = number
    if words.peek() in ("a", "per", "each", "every") and words.peek(1) == "day":
        # “a day” repeats what the window says; “every day” may be said again as its days.
        words.take_phrase(f"{words.peek()} day")
    elif words.peek() in ("a", "per", "each") and words.peek(1) in UNITS | {"month": 0, "year": 0}:
        raise refusal(
            f"{quoted(words.text)}: the times of a window are counted by the day, not by the {words.peek(1)}",
            "“3 times a day between 09:00 and 17:00”",
        )
    if not 1 <= count <= MAX_WINDOW_TIMES:
        raise refusal(f"{count} times is not possible: from 1 to {MAX_WINDOW_TIMES} times a window")
    return count


def _read_window_days(words: Words) -> Days:
    before = words.position
    words.take("on")
    if words.peek() in ("today", "tomorrow", "next") or words.peek() in WEEKDAY_NAMES:
        weekday = words.peek() if words.peek() in WEEKDAY_NAMES else "day"
        words.position = before
        raise refusal(
            f"{quoted(words.text)}: a window recurs; {quoted(words.peek())} is one day",
            or_list([f"every {weekday} between 9am and 11am", "tomorrow at 9am"]),
        )
    words.position = before
    days = take_days(words)
    if days is None:
        raise words.refusal_of_next()
    if not days.are_weekdays:
        raise refusal(
            f"{quoted(words.text)}: a window can be on weekdays of each week only",
            "“every friday between 9am and 11am”",
        )
    return days
